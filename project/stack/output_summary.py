"""The one line of a program's output that tells most."""

import re

LONGEST = 300

# How the programs mark an error: log4j, MySQL and MariaDB, mongod, Java, debootstrap.
ERROR_LINE = re.compile(
    r' ERROR | FATAL |\[ERROR\]|"s":"[EF]"|^Error: |^Exception in thread|^Caused by: |^E: '
)


def summary_line(output: str) -> str:
    """The first line that is marked as an error, else the last; at most 300 characters."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if ERROR_LINE.search(line)]
    # What follows the first error is its consequence: "aborting", a stack trace.
    return next(iter(errors or lines[-1:]), "no output")[:LONGEST]
