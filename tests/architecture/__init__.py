"""The rules of the house, checked against the code itself."""
