"""`manage.py up`: starts, supervises and drains the embedded profile."""
