"""Kafka: the only package that knows its client library."""
