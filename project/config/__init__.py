"""The environment, read once into one validated object, and what Django makes of it."""
