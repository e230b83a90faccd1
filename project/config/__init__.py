"""The environment variables as one validated object, and Django settings derived from them."""
