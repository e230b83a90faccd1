"""Snapshot, reconciliation and rewind: they bring the replica back in line."""
