"""Measures where the time goes: the stages of a change, and the statements of a captured save."""
