"""What every response and probe has: security headers, static files, health and readiness."""
