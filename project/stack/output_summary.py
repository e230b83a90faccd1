"""One line that summarises a program's output."""

import re

LONGEST = 300

# The error markers of log4j, MySQL and MariaDB, mongod, Java and debootstrap.
ERROR_LINE = re.compile(
    r' ERROR | FATAL |\[ERROR\]|"s":"[EF]"|^Error: |^Exception in thread|^Caused by: |^E: '
)


def summary_line(output: str) -> str:
    """Return the first line that is marked as an error, or the last line, up to 300 characters."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if ERROR_LINE.search(line)]
    # The lines after the first error, such as "aborting" or a stack trace, are its consequences.
    return next(iter(errors or lines[-1:]), "no output")[:LONGEST]
