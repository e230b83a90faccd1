"""Template filters for stories."""
