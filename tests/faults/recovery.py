"""The time to recover from a SIGKILL under traffic: `python -m tests.faults.recovery --rate 400`.

Starts three brokers, three members of a replica set and a database, two relays, two consumers, a
web server and writers that make `--rate` changes per second. In each round, kills a consumer, the
publishing relay, another broker and the primary. Prints the time from the SIGKILL until changes are
again visible within 1 s in all three collections, and remain so for 10 s. A process is restarted at
once; a server only after the recovery. The clients use no proxies, and the timeouts of the clusters
are the defaults of Kafka and MongoDB.

The exit code is 1 if the copy or the order of the events is wrong at the end, or if the machine is
too slow: the run then ends early, because the lag stays above 1 s without a fault.
"""

import sys
from importlib import import_module

from tests.faults.endurance.program import parser, prepared
from tests.support.servers import errors_as_messages

KINDS = "consumer,relay,broker,primary"


@errors_as_messages()
def main() -> int:
    options = parser("recovery", "Measure the time to recover from a SIGKILL under traffic.")
    options.add_argument("--rate", type=float, default=400.0, help="changes per second")
    options.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    options.add_argument("--kinds", default=KINDS, help="default: %(default)s")
    given = options.parse_args()
    given.kinds = given.kinds.split(",")
    if unknown := set(given.kinds) - set(KINDS.split(",")):
        options.error(f"--kinds has {', '.join(unknown)}: choose from {KINDS}.")
    with prepared(given, plain=True) as (folder, servers):
        # This module can be imported only after Django is set up.
        run = import_module("tests.faults.endurance.recovery_run").run
        return 0 if run(folder, servers, given) else 1


if __name__ == "__main__":
    sys.exit(main())
