"""Whether the replica is in sync, and how far it lags."""
