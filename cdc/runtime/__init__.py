"""Code that all processes share: loop, signals, leases, counters, logging and fault points."""
