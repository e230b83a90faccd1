"""Snapshot, reconciliation and rewind: whatever brings the replica back in line."""
