"""Whether the copy is right, and how far behind it is."""
