"""Snapshot, reconciliation and rewind: they make the replica equal to the database again."""
