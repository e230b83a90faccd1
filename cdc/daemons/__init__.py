"""The long-running processes, assembled from their parts."""
