"""Kafka, mongod, MySQL and MariaDB as child processes on loopback.

This package is used by `manage.py up`, the tests and the benchmark. It does not need Django. Only
`stack.sql` needs mysqlclient.
"""
