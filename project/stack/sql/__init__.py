"""MySQL and MariaDB servers for the tests and the benchmark."""
