"""The list of accepted survivors, and how a run's survivors are compared with it."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tests.mutation.tree import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the list and a run disagree about."""

    new: list[str]
    """Survivors that are not in the list; each fails the check."""
    killed: list[str]
    """Entries of the list that no longer survive; each should be removed from it."""


def parse(text: str) -> dict[str, str]:
    """Return the reason for each mutation in a list; raises ValueError for a line without one."""
    listed: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        mutation, _, reason = line.rpartition(" | ")
        if not mutation.strip() or not reason.strip():
            raise ValueError(f"Line {number} is not `module:function: old => new | reason`.")
        if mutation in listed:
            raise ValueError(f"Line {number} lists {mutation!r} a second time.")
        listed[mutation] = reason.strip()
    return listed


def compare(listed: Mapping[str, str], found: AbstractSet[str], target: Target) -> Difference:
    """Compare a list with the survivors of one target; entries of other modules do not count."""
    ours = {mutation for mutation in listed if target.has(mutation.partition(":")[0])}
    return Difference(new=sorted(found - set(listed)), killed=sorted(ours - found))
