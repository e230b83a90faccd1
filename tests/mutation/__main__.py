"""The mutation check: `python -m tests.mutation [--units] [--list] [package or module ...]`.

Lets mutmut change the code, one place at a time, and run the tests of the changed module. Mutations
that survive are checked again with more tests, including the contract tests. Prints the score of
each module. Fails if a mutation survives that `survivors.txt` does not list. An interrupted run
resumes at the next start. See docs/testing.md.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from project.stack.errors import StackError
from project.up.console import Console
from tests.__main__ import ADDRESSES, environment
from tests.mutation.results import forget_survivors, scores
from tests.mutation.survivors import compare, parse
from tests.mutation.tree import Target, configure, refresh
from tests.support.databases import DATABASES, SQLITE
from tests.support.paths import ROOT
from tests.support.servers import Servers

PACKAGES = (
    *("cdc/wire", "cdc/capture", "cdc/outbox", "cdc/consumer"),
    *("cdc/mongo", "cdc/resync", "cdc/feed", "users"),
)
NO_SERVERS = "not services and not faults and not browser"
WITH_SERVERS = "not faults and not browser"
BESIDE = ["tests/contract", "tests/cdc/testing"]
LIST = Path(__file__).with_name("survivors.txt")


def main() -> int:
    """Return 1 if a mutation survives that is not in the list, or if mutmut fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--units", action="store_true", help="start no servers")
    parser.add_argument("--list", action="store_true", help="only show the results of the last run")
    parser.add_argument("paths", nargs="*", default=PACKAGES, help=f"default: {' '.join(PACKAGES)}")
    options = parser.parse_args()
    targets = [Target(path.rstrip("/")) for path in options.paths]
    if missing := [each.path for each in targets if not (ROOT / each.path).exists()]:
        parser.error(f"{', '.join(missing)} does not exist.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console()
    try:
        if not options.list:
            return run(targets, options.units, console)
    except StackError as error:
        console.show(f"storyfeed mutation: {error}")
        return 1
    return max([report(target, console) for target in targets])


def run(targets: list[Target], units: bool, console: Console) -> int:
    """Check the mutations of each target. Check survivors again with more tests."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="storyfeed-tests-")))
        found = ("", "") if units else stack.enter_context(Servers(folder, console).feed())
        env = environment(folder, **dict(zip(ADDRESSES, found, strict=True)))
        env["DATABASE_URL"] = DATABASES[SQLITE].url(None, folder, "mutation")
        marked, worst = NO_SERVERS if units else WITH_SERVERS, 0
        for target in targets:
            refresh(target)
            console.say(f"{target.path} with {target.tests}")
            mutate(target, env, marked, [target.tests])
            if new_survivors(target):
                console.say(f"survivors again, with {' '.join([target.test_folder, *BESIDE])}")
                mutate(target, env, marked, [target.test_folder, *BESIDE])
            worst = max(worst, report(target, console))
        return worst


def mutate(target: Target, env: Mapping[str, str], marked: str, tests: list[str]) -> None:
    """Check all unchecked mutations with these tests. Raise StackError if mutmut fails."""
    configure(target, marked, tests)
    forget_survivors(target)
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", "1"]
    process = subprocess.Popen(command, cwd=target.folder, env=env, start_new_session=True)
    try:
        code = process.wait()
    finally:
        if process.poll() is None:  # otherwise mutmut's child processes would keep running
            os.killpg(process.pid, signal.SIGTERM)
    if code:
        raise StackError(f"mutmut ended with exit code {code} in {target.folder}.")


def new_survivors(target: Target) -> list[str]:
    found = {each for score in scores(target) for each in score.survivors}
    return compare(parse(LIST.read_text()), found, target).new


def report(target: Target, console: Console) -> int:
    """Print the scores of a target and the differences between its survivors and the list."""
    found = scores(target)
    for score in found:
        console.show(str(score))
    survivors = {each for score in found for each in score.survivors}
    difference = compare(parse(LIST.read_text()), survivors, target)
    for mutation in difference.new:
        console.show(f"survived: {mutation}")
    for mutation in difference.killed:
        console.show(f"killed, remove it from {LIST.name}: {mutation}")
    return 1 if difference.new or any(score.unchecked for score in found) else 0


if __name__ == "__main__":
    sys.exit(main())
