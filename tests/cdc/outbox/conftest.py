"""Leaves out what concerns another database."""

from django.db import connection

collect_ignore = [] if connection.vendor == "sqlite" else ["test_sqlite_file.py"]
