"""`manage.py up`: the embedded profile, started, supervised and drained."""
