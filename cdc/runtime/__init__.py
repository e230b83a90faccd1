"""What all of the feed's processes share: loop, signals, leases, counters, log and fault points."""
