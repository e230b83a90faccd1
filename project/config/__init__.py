"""The environment as one validated object, and the Django settings derived from it."""
