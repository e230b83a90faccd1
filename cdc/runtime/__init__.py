"""What every process of the feed runs on: the loop, its signals, telemetry and fault points."""
