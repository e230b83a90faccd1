"""The test driver: `python -m tests [--units] [--db mysql,mariadb,sqlite] [pytest arguments]`.

Starts Kafka, mongod and the databases, in Docker containers or in a temporary folder. Runs the
whole suite on the first database and the tests marked `database` on the other databases. Four
pytest processes run in parallel. The last line shows what was run and what was not. With `--units`,
no servers are started, and all parts of the fast unit tests run in parallel.
"""

import argparse
import math
import os
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from project.stack.errors import StackError
from project.up.console import Console
from tests.support import chromium
from tests.support.databases import DATABASES, SQLITE
from tests.support.environment import ADDRESSES, environment
from tests.support.runs import LIMIT_SECONDS, Lane, Run, side_by_side
from tests.support.servers import Servers

NEEDS_ALL_SERVERS = "tests/project/stack/sql/test_server.py"
UNITS = "not services and not faults and not browser and not slow and (not database or counted)"
UNIT_PARTS = (
    "tests/cdc/feed tests/project/http tests/project/up",
    "tests/architecture tests/bench tests/contract tests/docs tests/mutation",
    "tests/cdc/capture tests/cdc/consumer tests/cdc/resync tests/cdc/runtime",
    "tests/cdc/jobs tests/cdc/kafka tests/cdc/mongo tests/cdc/outbox tests/cdc/wire",
    "tests/project/dashboard tests/project/operations tests/stories tests/users",
)
"""The parts of the unit tests: more than there are processors, because many tests wait."""
ACCEPTANCE, CDC = "tests/acceptance", "tests/cdc"
BROWSER, FAULTS = "tests/browser", "tests/faults"


def main() -> int:
    """Return the highest exit code of all runs."""
    parser = argparse.ArgumentParser(prog="python -m tests")
    parser.add_argument("--db", default=",".join(DATABASES), help="default: %(default)s")
    parser.add_argument("--units", action="store_true", help="only tests that need no servers")
    options, arguments = parser.parse_known_args()
    asked = [name for name in DATABASES if name in options.db.split(",")]
    if not asked:
        parser.error(f"--db is {options.db!r}: choose from {','.join(DATABASES)}.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="storyfeed-tests-") as folder:
            if options.units:
                return run_units(Path(folder), arguments, console)
            return run(Path(folder), asked, arguments, console)
    except StackError as error:
        console.show(f"storyfeed tests: {error}")
        return 1


def run(folder: Path, asked: Sequence[str], arguments: Sequence[str], console: Console) -> int:
    """Start the servers and run the tests on the databases in `asked`."""
    left_out = {name: "not requested" for name in DATABASES if name not in asked}
    with ExitStack() as stack:
        servers = Servers(folder, console)
        addresses = zip(ADDRESSES, stack.enter_context(servers.feed()), strict=True)
        env = environment(folder, **dict(addresses))
        databases = {}
        for name in asked:
            try:
                databases[name] = stack.enter_context(servers.database(name))
            except StackError as error:
                if os.geteuid() == 0:  # root can install the database, so it must be present
                    raise
                left_out[name] = str(error)
        if not databases:
            raise StackError("; ".join(left_out[name] for name in asked))
        codes = side_by_side(lanes(runs(databases, arguments), env, folder, console))
    if not arguments:
        left_out |= missing_parts(databases)
    codes = {name: codes[name] for name in databases}
    console.show(last_line(codes, left_out, arguments, servers.in_containers))
    return max(codes.values())


def missing_parts(databases: Collection[str]) -> dict[str, str]:
    """Return the tests that a whole run on these databases leaves out, each with the reason."""
    found = {}
    if chromium.program() is None:
        found["the browser tests"] = "Chromium is not installed"
    if set(databases) != set(DATABASES):
        found[NEEDS_ALL_SERVERS] = "needs all databases"
    if find_spec("MySQLdb") is None:
        found["the tests that import mysqlclient"] = "it is not installed"
    return found


def run_units(folder: Path, arguments: Sequence[str], console: Console) -> int:
    """Run the tests that need no servers, on SQLite."""
    env = environment(folder, **dict.fromkeys(ADDRESSES, ""))
    parts = unit_runs(folder, arguments)
    return max(side_by_side(lanes(parts, env, folder, console, count=len(parts))).values())


def unit_runs(folder: Path, arguments: Sequence[str]) -> list[Run]:
    """Return a run for each part and one for the rest; a single run if the arguments name tests."""
    named = any(not each.startswith("-") for each in arguments)
    parts = [part.split() for part in UNIT_PARTS]
    rest = [f"--ignore={each}" for part in parts for each in part]
    return [
        Run(
            name=SQLITE,
            url=DATABASES[SQLITE].url(None, folder, f"units{number}"),
            arguments=["-m", UNITS, *part, *arguments],
        )
        for number, part in enumerate([[]] if named else [*parts, rest])
    ]


def lanes(
    parts: Sequence[Run],
    env: Mapping[str, str],
    folder: Path,
    console: Console,
    *,
    count: int = 4,
) -> list[Lane]:
    """Return lanes that share one queue. Only the first shows the output of a run while it runs."""
    queue = deque(parts)
    outputs = [None, *(folder / f"lane{number}.log" for number in range(1, count))]
    return [Lane(queue=queue, env=env, console=console, output=output) for output in outputs]


def runs(databases: Mapping[str, Callable[[str], str]], arguments: Sequence[str]) -> list[Run]:
    """Return the parts of the suite for the first database, and a run for each other database.

    With `arguments`, the first database also has only one run. The parts run in parallel. Each part
    has its own database. In this order, the lanes end at about the same time. The browser tests
    are a separate part because Playwright keeps an event loop running in its process, and this loop
    breaks other asynchronous tests.
    """
    first, *others = databases
    complete = set(databases) == set(DATABASES)
    whole = [] if complete else [f"--ignore={NEEDS_ALL_SERVERS}"]
    others_than_cdc = ("-m", "not browser and not faults", f"--ignore={CDC}")
    parts = {
        "acceptance": (ACCEPTANCE,),
        "cdc": (CDC, "-m", "not browser and not faults"),
        "storyfeed": (*others_than_cdc, f"--ignore={ACCEPTANCE}"),
        "pages": (BROWSER,),
        "faults": (FAULTS, "-m", "faults"),
    }
    if chromium.program() is None:
        del parts["pages"]

    def run(name: str, database: str, *chosen: str) -> Run:
        url = databases[name](database)
        limit = math.inf if arguments else LIMIT_SECONDS
        return Run(name=name, url=url, arguments=[*chosen, *arguments], limit_seconds=limit)

    beside = [
        # The arguments may select only tests without the marker.
        replace(run(name, "storyfeed", "-m", "database"), may_be_empty=bool(arguments))
        for name in others
    ]
    if arguments:
        return [run(first, "storyfeed", *whole), *beside]
    return [*(run(first, name, *whole, *chosen) for name, chosen in parts.items()), *beside]


def last_line(
    codes: dict[str, int],
    left_out: dict[str, str],
    arguments: Sequence[str],
    in_containers: Sequence[str] = (),
) -> str:
    """Return a line that shows what was run on each database, and what was not run and why."""
    whole, *others = codes
    suite = f"pytest {' '.join(arguments)}" if arguments else "the whole suite"
    parts = [f"{suite} on {whole}"] + [f"the database tests on {name}" for name in others]
    failed = [name for name, code in codes.items() if code]
    verdict = f"FAILED on {', '.join(failed)}" if failed else "passed"
    missing = "; ".join(f"{name} ({why})" for name, why in left_out.items()) or "nothing"
    contained = f" In containers: {', '.join(in_containers)}." if in_containers else ""
    no_root = " These tests need no root privileges." if list(codes) == [SQLITE] else ""
    ran = f"Run: {', '.join(parts)}. Not run: {missing}."
    return f"storyfeed tests: {verdict}. {ran}{contained}{no_root}"


if __name__ == "__main__":
    sys.exit(main())
