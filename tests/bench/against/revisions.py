"""Measures two revisions in turn. Import this module only after Django is set up."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from project.stack.errors import StackError
from tests.bench.against.worktree import worktree
from tests.bench.alternation import rotated
from tests.bench.figures import Pair, ratio_table
from tests.bench.results import Measured, Results, read
from tests.bench.systems import Servers
from tests.support.paths import ROOT

THIS = "this tree"
_STOP_SECONDS = 60.0


def measure(servers: Servers, options: argparse.Namespace, found: Results) -> None:
    """Measure this tree and the other revision alternately, and print values and ratios."""
    with worktree(options.against, servers.folder) as other:
        trees = [(THIS, ROOT), (options.against, other)]
        try:
            for number in range(options.rounds):
                servers.console.say(f"round {number + 1} of {options.rounds}")
                for turn, (name, root) in enumerate(rotated(trees, number)):
                    servers.console.say(f"{name} is measured")
                    measured = _turn(servers, root, f"against_{number}_{turn}", options)
                    _add(found, name, measured)
        finally:
            found.show(servers.about(peer=False))
            servers.console.show(_ratios(found, options.against))


def _turn(
    servers: Servers, root: Path, name: str, options: argparse.Namespace
) -> Sequence[Measured]:
    """Measure one revision in a separate process, and return the values."""
    file = servers.folder / f"{name}.json"
    numbers = [str(each) for each in (options.rate, options.seconds, options.changes)]
    command = [sys.executable, "-m", "tests.bench.against.turn", name, str(file), *numbers]
    process = subprocess.Popen(command, cwd=root, env=servers.env, stdin=subprocess.DEVNULL)
    try:
        code = process.wait()
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)
    if code:
        raise StackError(f"The measurement in {root} ended with exit code {code}: see above.")
    return read(file)["measured"]


def _add(found: Results, name: str, measured: Sequence[Measured]) -> None:
    for each in measured:
        section, _, row = each["what"].partition(": ")
        for system, (value,) in each["values"].items():
            found.add(name, f"{section} ({system}): {row}", value, each["better"])


def _ratios(found: Results, other: str) -> str:
    pairs = {
        each["what"]: Pair(
            better=each["better"],
            ours=each["values"].get(THIS, []),
            theirs=each["values"].get(other, []),
        )
        for each in found.measured
        if each["better"]
    }
    return f"\nRatios of {THIS} to {other}, round by round:\n\n{ratio_table(pairs)}"
