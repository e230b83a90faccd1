"""Prometheus metrics of the web process and of each daemon."""
