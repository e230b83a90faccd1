"""Lines of tables: groups of stories with a label that people can read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdc.reports import Group
from users.models import User

Labelled = Sequence[tuple[str, Group]]

_LONGEST_LABEL = 255
NO_SUBMITTER = "No submitter"


@dataclass(frozen=True, slots=True)
class Line:
    """The counts of the stories that have the same label."""

    label: str
    now: Mapping[str, int]
    before: Mapping[str, int]


def lines_of(now: Labelled, before: Labelled) -> tuple[Line, ...]:
    """Return a line for each label of the period, the line with the most stories first.

    Several groups may have the same label: `www.a.example` and `a.example`, for example.
    """
    ours, theirs = _by_label(now), _by_label(before)
    lines = [Line(label, counts, theirs.get(label, {})) for label, counts in ours.items()]
    return tuple(sorted(lines, key=lambda line: -line.now["documents"]))


def added(sides: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of each count over all `sides`."""
    sums: dict[str, int] = {}
    for side in sides:
        for name, count in side.items():
            sums[name] = sums.get(name, 0) + count
    return sums


def _by_label(groups: Labelled) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for label, group in groups:
        found[label] = added([found.get(label, {}), group.counts])
    return found


def text_of(value: Any) -> str:
    """Return one line of text; an empty string for values of other types."""
    return " ".join(value.split())[:_LONGEST_LABEL] if isinstance(value, str) else ""


def site_of(host: str) -> str:
    """Return a host in lower case, without `www.`, a user name or a port."""
    return host.rpartition("@")[2].partition(":")[0].lower().removeprefix("www.")


def submitters_of(groups: Sequence[Group]) -> Labelled:
    """Label groups with the names of submitters. A key is a name or the number of an account."""
    keys = [group.keys[0] for group in groups]
    names = _account_names({key for key in keys if type(key) is int})
    labels = [text_of(names.get(key) if type(key) is int else key) for key in keys]
    return [(label or NO_SUBMITTER, group) for label, group in zip(labels, groups, strict=True)]


def _account_names(keys: set[int]) -> dict[int, str]:
    return dict(User.objects.filter(pk__in=keys).values_list("pk", "name")) if keys else {}
