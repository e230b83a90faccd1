"""Security headers, static files, and the health and readiness endpoints."""
