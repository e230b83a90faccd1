"""Imports stories from files: NDJSON or a JSON array, plain or MongoDB Extended JSON."""
