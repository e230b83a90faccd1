"""Writes the batches of a consumer."""
