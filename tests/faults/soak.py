"""A long run under traffic and faults: `python -m tests.faults.soak --minutes 60 --rate 100`.

Starts three brokers, three members of a replica set and a database behind proxies, two relays, two
consumers, a web server, a job process and writers that make `--rate` changes per second. A visitor
requests pages and reads the live stream. Every `--fault-every` seconds, a fault happens to one of
the relays, one of the consumers, a broker, the primary or the database, a command is run, or a
consumer is added for a few seconds.

Every ten seconds, the memory, descriptors, TCP connections and threads of each process are sampled,
and the connections that the servers count. For each figure of each process, prints how much it grew
per hour. A process that was restarted begins a new series. The first sixth of the run is left out
of each series, and a series is judged if its rest is at least half as long as the run.

The exit code is 1 if a figure grew by more than its limit, if no process of a kind ran long enough
to be judged, if the table and the collections differ at the end, if a document returned to an older
version, if the order of the events is wrong, or if a command or a writer failed.
"""

import sys
from importlib import import_module

from tests.faults.endurance.program import parser, prepared
from tests.support.servers import errors_as_messages


@errors_as_messages()
def main() -> int:
    options = parser("soak", "Run the pipeline for an hour under traffic and faults.")
    options.add_argument("--minutes", type=float, default=60.0, help="default: %(default)s")
    options.add_argument("--rate", type=float, default=100.0, help="changes per second")
    options.add_argument("--fault-every", type=float, default=120.0, help="seconds")
    options.add_argument("--seed", type=int, default=1, help="of the faults, default: %(default)s")
    given = options.parse_args()
    with prepared(given, plain=False) as (folder, servers):
        # `soak_run` can be imported only after Django is set up.
        run = import_module("tests.faults.endurance.soak_run").run
        return 0 if run(folder, servers, given) else 1


if __name__ == "__main__":
    sys.exit(main())
