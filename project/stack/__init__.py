"""Kafka, mongod, MySQL and MariaDB as child processes on loopback.

`manage.py up` and the tests use it. It knows nothing of Django. Import the module
of the service you need: `mysql` and `mariadb` need mysqlclient, the others do not.
"""
