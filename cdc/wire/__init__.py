"""The format of a message: its envelope, rows and columns, and their published schema."""
