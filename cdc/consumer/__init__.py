"""From the topic to the replica: one batch at a time, each event once."""
