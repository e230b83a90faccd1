"""The HTTP layer: limits, headers, compression, static files, and health and readiness checks."""
