"""The mutation check: `python -m tests.mutation [--units] [--list] [--sample N] [path ...]`.

With `--rules`, `python -m tests.mutation --rules [--units] [P3 ...] [path ...]`.

Lets mutmut change the code, one place at a time, and run the tests of the changed module. Mutations
that survive are checked again with more tests, including the contract tests. Prints the score of
each module. Fails if a mutation survives that `survivors.txt` does not list. An interrupted run
resumes at the next start. `--sample` checks some random mutations only. `--rules` instead removes
the rules that keep the promises, one at a time. See docs/testing.md.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from project.stack.errors import StackError
from project.up.console import Console
from tests.mutation.results import Score, codes, forget_survivors, scores
from tests.mutation.rule_check import RuleCheck
from tests.mutation.rules import all_rules, matching
from tests.mutation.sample import Sample, summary
from tests.mutation.survivors import compare, parse
from tests.mutation.tree import Target, configure, refresh
from tests.support.databases import DATABASES, SQLITE
from tests.support.environment import ADDRESSES, environment
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
    sample = "check N random mutations of each path, and do not fail if some survive"
    parser.add_argument("--sample", type=int, metavar="N", help=sample)
    rules = "remove the rules of the named promises and paths instead, one at a time"
    parser.add_argument("--rules", action="store_true", help=rules)
    parser.add_argument("--seed", type=int, default=0, help="of the sample, default: %(default)s")
    parser.add_argument("paths", nargs="*", help=f"default: {' '.join(PACKAGES)}")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if options.rules:
        return check_rules(options.paths, units=options.units)
    targets = [Target(path.rstrip("/")) for path in options.paths or PACKAGES]
    if missing := [each.path for each in targets if not (ROOT / each.path).exists()]:
        parser.error(f"{', '.join(missing)} does not exist.")
    if options.sample is not None and options.sample < 1:
        parser.error("--sample must be at least 1.")
    check = Check(Console(), options.sample and Sample(options.sample, options.seed))
    try:
        if not options.list:
            return check.run(targets, options.units)
    except StackError as error:
        check.console.show(f"storyfeed mutation: {error}")
        return 1
    return max([check.report(target) for target in targets])


def check_rules(names: list[str], *, units: bool) -> int:
    """Return 1 if a rule can be removed unnoticed, or if the check fails."""
    console = Console()
    rules = matching(all_rules(), names)
    if not rules:
        console.show(f"storyfeed mutation: No rule belongs to {', '.join(names)}.")
        return 1
    try:
        return RuleCheck(console).run(rules, units=units)
    except (StackError, ValueError) as error:
        console.show(f"storyfeed mutation: {error}")
        return 1


@dataclass(frozen=True, slots=True)
class Check:
    """Checks all mutations, or a sample of them, and prints the results to the console."""

    console: Console
    sample: Sample | None

    def run(self, targets: list[Target], units: bool) -> int:
        """Check the mutations of each target. Check survivors again with more tests."""
        with ExitStack() as stack:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="storyfeed-tests-"))
            )
            servers = Servers(folder, self.console)
            found = ("", "") if units else stack.enter_context(servers.feed())
            env = environment(folder, **dict(zip(ADDRESSES, found, strict=True)))
            env["DATABASE_URL"] = DATABASES[SQLITE].url(None, folder, "mutation")
            marked, worst = NO_SERVERS if units else WITH_SERVERS, 0
            for target in targets:
                refresh(target)
                self.console.say(f"{target.path} with {target.tests}")
                self.mutate(target, env, marked, [target.tests])
                if self.new_survivors(target):
                    more = [target.test_folder, *BESIDE]
                    self.console.say(f"survivors again, with {' '.join(more)}")
                    self.mutate(target, env, marked, more)
                worst = max(worst, self.report(target))
            return worst

    def mutate(self, target: Target, env: Mapping[str, str], marked: str, tests: list[str]) -> None:
        """Check all unchecked mutations with these tests. Raise StackError if mutmut fails."""
        configure(target, marked, tests)
        forget_survivors(target)
        names: list[str] = []
        if self.sample:
            # mutmut creates the mutations and measures the tests before it looks at the name.
            mutmut(target, env, "none", quiet=True)
            checked = codes(target)
            names = [name for name in self.sample.draw(checked) if checked[name] is None]
            if checked and not names:
                return
        if code := mutmut(target, env, *names):
            raise StackError(f"mutmut ended with exit code {code} in {target.folder}.")

    def scores(self, target: Target) -> list[Score]:
        return scores(target, self.sample.draw(codes(target)) if self.sample else None)

    def new_survivors(self, target: Target) -> list[str]:
        found = {each for score in self.scores(target) for each in score.survivors}
        return compare(parse(LIST.read_text()), found, target).new

    def report(self, target: Target) -> int:
        """Print the scores of a target and the differences between its survivors and the list."""
        found = self.scores(target)
        for score in found:
            self.console.show(str(score))
        survivors = {each for score in found for each in score.survivors}
        difference = compare(parse(LIST.read_text()), survivors, target)
        for mutation in difference.new:
            self.console.show(f"survived: {mutation}")
        if self.sample:
            killed, total = sum(each.killed for each in found), sum(each.total for each in found)
            self.console.show(summary(target.path, killed, total))
            return 0
        for mutation in difference.killed:
            self.console.show(f"killed, remove it from {LIST.name}: {mutation}")
        return 1 if difference.new or any(score.unchecked for score in found) else 0


def mutmut(target: Target, env: Mapping[str, str], *names: str, quiet: bool = False) -> int:
    """Check the unchecked mutations, or only those in `names`. Return mutmut's exit code."""
    program = str(Path(sys.executable).with_name("mutmut"))
    process = subprocess.Popen(
        [program, "run", "--max-children", "1", *names],
        cwd=target.folder,
        env=env,
        start_new_session=True,
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.DEVNULL if quiet else None,
    )
    try:
        return process.wait()
    finally:
        if process.poll() is None:  # otherwise mutmut's child processes would keep running
            os.killpg(process.pid, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
