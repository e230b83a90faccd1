"""A second application with captured models."""
