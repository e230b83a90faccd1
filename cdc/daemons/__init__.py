"""The daemons: each is assembled from its parts and runs until a signal arrives."""
