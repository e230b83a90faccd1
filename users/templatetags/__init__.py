"""Template filters for accounts."""
