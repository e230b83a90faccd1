"""Times of the pages by the number of stories: `python -m tests.load.sizes --stories 1000,100000`.

Starts Kafka, mongod, a database server and one web process, and adds stories to the database and to
the replica until there are as many as the next number of the list. For each number, requests each
page several times in succession, and prints a row of a table with the median time of each page in
milliseconds, and the longest time in brackets. The first request of each page is not counted: it
fills the caches of the process.

The exit code is 1 if a page did not return status 200.
"""

import argparse
import sys

from tests.load.with_servers import measure
from tests.support.databases import DATABASES, SQLITE


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.sizes")
    parser.add_argument("--db", choices=DATABASES, default=SQLITE)
    parser.add_argument("--stories", default="1000,100000,1000000", help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=30, help="for each page")
    options = parser.parse_args()
    return measure("tests.load.size_run", options)


if __name__ == "__main__":
    sys.exit(main())
