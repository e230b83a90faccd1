"""Leaves out test_sqlite_file.py on other databases."""

from django.db import connection

collect_ignore = [] if connection.vendor == "sqlite" else ["test_sqlite_file.py"]
