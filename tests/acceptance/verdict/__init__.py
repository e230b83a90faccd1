"""The product in each condition, and what its five views show."""
