"""What a message looks like: the envelope, its rows and columns, and its published schema."""
