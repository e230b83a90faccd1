"""Kafka, mongod, MySQL and MariaDB as child processes on loopback.

Used by `manage.py up`, the tests and the benchmark; independent of Django. Only
`stack.sql` needs mysqlclient.
"""
