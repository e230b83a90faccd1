"""Time and memory of a snapshot and a reconciliation: `python -m tests.load.resync`.

Starts Kafka, mongod, a database server, a relay and a consumer, and adds stories to the database
without events. Then runs `send_to_kafka`, waits until MongoDB has all stories, and runs
`reconcile`. Prints a row of a table for each process: its processor time, and its resident memory
in MB, as the median of each tenth of the time.

The exit code is 1 if a command failed, or if `reconcile` found a difference.
"""

import argparse
import sys

from tests.load.with_servers import measure
from tests.support.databases import DATABASES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.resync")
    parser.add_argument("--db", choices=DATABASES, default="mysql")
    parser.add_argument("--stories", type=int, default=1_000_000, help="default: %(default)s")
    options = parser.parse_args()
    return measure("tests.load.resync_run", options)


if __name__ == "__main__":
    sys.exit(main())
