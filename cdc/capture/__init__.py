"""Capture: writes an outbox row for each change of a model, in the transaction of the change."""
