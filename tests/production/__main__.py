"""Runs the files of compose/ for real: `python -m tests.production [compose] [systemd] [cluster]`.

Each part starts its own Docker engine or its own systemd, prints each step with its result, and
ends everything that it started. The exit code is 1 if a step fails. If this machine cannot run a
part, a sentence says what was not run.
"""

import argparse
import sys
from collections.abc import Callable

from project.stack.errors import StackError
from tests.production import cluster, compose, engine, machine, systemd
from tests.production.shell import Failed, say

# Part -> (what this machine lacks, the tests).
PARTS: dict[str, tuple[Callable[[], str], Callable[[], None]]] = {
    "compose": (engine.missing, compose.main),
    "cluster": (engine.missing, cluster.main),
    "systemd": (machine.missing, systemd.main),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.production")
    parser.add_argument("parts", nargs="*", default=[], help=f"default: {' '.join(PARTS)}")
    results = [_run(part) for part in parser.parse_args().parts or PARTS]
    return 0 if all(results) else 1


def _run(part: str) -> bool:
    missing, tests = PARTS[part]
    if reason := missing():
        say(f"{part} was not run, because {reason}.")
        return True
    try:
        tests()
    except (Failed, StackError) as error:
        say(f"{part}: {error}")
        return False
    say(f"{part} passed.")
    return True


if __name__ == "__main__":
    sys.exit(main())
