"""The list of accepted survivors, and its comparison with the survivors of a run."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tests.mutation.tree import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The differences between the list and the survivors of a run."""

    new: list[str]
    """Survivors that are not in the list. Any of them fails the check."""
    killed: list[str]
    """Mutations in the list that no longer survive. They should be removed from the list."""


def parse(text: str) -> dict[str, str]:
    """Return the reason for each listed mutation. Raise ValueError for a malformed line."""
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
    """Compare a list with the survivors of one target. Ignore entries of other modules."""
    ours = {mutation for mutation in listed if target.has(mutation.partition(":")[0])}
    return Difference(new=sorted(found - set(listed)), killed=sorted(ours - found))
