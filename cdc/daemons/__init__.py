"""The daemons: each assembled from its parts and run until a signal."""
