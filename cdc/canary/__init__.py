"""The canary: a row that `cdc` itself saves every ten seconds, to measure the latency."""
