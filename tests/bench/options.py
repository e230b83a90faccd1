"""The options of the benchmark."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS = ("consumers", "collections", "stories")
BACKLOG = "backlog"
"""A part of `--growth` that is measured only on request, because it takes long."""
_RATES = (50, 100, 200, 400, 800)
_QUICK = {"rounds": 1, "seconds": 4.0, "changes": 500, "saves": 50}
_QUICK_RATES = (50, 100)


@dataclass(frozen=True, slots=True)
class Steps:
    """The numbers for which the parts of `--growth` are measured."""

    consumers: tuple[int, ...] = (1, 2, 3, 4, 5)
    collections: tuple[int, ...] = (1, 2, 3, 4, 5)
    stories: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    backlog: tuple[int, ...] = (10_000, 100_000, 1_000_000)


FULL, QUICK = Steps(), Steps((1, 2), (1, 2), (1_000, 2_000), (100, 200))


def parse(arguments: Sequence[str] | None, description: str | None) -> argparse.Namespace:
    """Return the options; the attribute `steps` is FULL or QUICK."""
    parser = _parser(description)
    options = parser.parse_args(arguments)
    curves = options.growth or options.rates is not None
    if options.against and (curves or options.stages):
        parser.error("--against measures only delay and backlog; remove the other parts.")
    if options.stages and curves:
        parser.error("--stages cannot be combined with --rates or --growth.")
    if options.quick:
        parser.set_defaults(**_QUICK)
        options = parser.parse_args(arguments)
    if options.rates == ():
        options.rates = _QUICK_RATES if options.quick else _RATES
    options.rounds = options.rounds or (5 if options.against else 3)
    options.steps = QUICK if options.quick else FULL
    return options


def numbers(text: str) -> tuple[int, ...]:
    """Return the positive integers of a list such as `50,100`."""
    found = tuple(int(each) for each in text.split(","))
    if min(found) < 1:
        raise ValueError
    return found


def parts(text: str) -> tuple[str, ...]:
    """Return the parts of `--growth` that a list such as `consumers,stories` names."""
    found = tuple(text.split(","))
    if not set(found) <= {*PARTS, BACKLOG}:
        raise argparse.ArgumentTypeError(f"choose from {','.join([*PARTS, BACKLOG])}")
    return found


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rounds", type=_positive, help="rounds (default: 3; with --against 5)")
    add("--rate", type=float, default=100.0, help="changes per second (default: 100)")
    add("--seconds", type=float, default=15.0, help="seconds of a delay measurement (default: 15)")
    add("--changes", type=_positive, default=50_000, help="changes per backlog (default: 50000)")
    add("--saves", type=_positive, default=500, help="saves per writer measurement (default: 500)")
    add(
        "--against",
        metavar="REV",
        help="compare this tree with another revision of this repository, in alternating rounds: "
        "delay and backlog, into one collection and into three",
    )
    add(
        "--rates",
        type=numbers,
        nargs="?",
        const=(),
        metavar="LIST",
        help="measure only the delay of ours and of the peer, at each of these rates "
        "(default of LIST: 50,100,200,400,800)",
    )
    add(
        "--growth",
        type=parts,
        nargs="?",
        const=PARTS,
        default=(),
        metavar="PARTS",
        help="measure only how our figures grow: the backlog with 1 to 5 consumers, the backlog "
        "and the delay with 1 to 5 collections, a save with 1 thousand to 1 million stories "
        "(default of PARTS: consumers,collections,stories); with PARTS=backlog, the backlog of "
        "10 thousand to 1 million changes; can be combined with --rates",
    )
    add(
        "--stages",
        action="store_true",
        help="measure only where our time goes: the stages of a change from its commit until it is "
        "visible in MongoDB, and the statements of a captured save without Django",
    )
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="write all values to FILE, again after each value; tests.bench.charts draws them",
    )
    add("--quick", action="store_true", help="one round with few changes, as a trial")
    return parser


def _positive(text: str) -> int:
    (number,) = numbers(text)
    return number
