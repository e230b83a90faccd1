"""Measurements that take minutes or hours: the recovery after a SIGKILL, and a soak."""
