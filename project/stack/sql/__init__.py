"""MySQL and MariaDB servers of the tests' own."""
