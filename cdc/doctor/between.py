"""Compares the services with each other: their clocks, and how long they keep deletes."""

from collections.abc import Callable, Iterator

from cdc.conf import CdcSettings
from cdc.doctor import database, mongodb
from cdc.doctor.check import Check, or_ok, warning, wrong
from cdc.errors import Retryable
from cdc.kafka.cluster import Cluster, TopicState
from cdc.registry import topic_names

_DAY_MS = 86_400_000
_APART_SECONDS = 5.0
_TOO_FAR_APART_SECONDS = 300.0
"""Far less than an hour.

If the clocks differ by more than an hour, a deleted row could reappear (see
`cdc/consumer/old_events.py`).
"""


def check_between(settings: CdcSettings, using: str) -> Iterator[Check]:
    """Yield the checks; raise Retryable if Kafka does not respond."""
    offsets = {"this machine": 0.0}
    # If a service is unreachable, its own checks report it.
    clocks: dict[str, Callable[[], float]] = {
        "the database": lambda: database.clock_offset(using),
        "MongoDB": lambda: mongodb.clock_offset(settings),
    }
    for name, offset in clocks.items():
        try:
            offsets[name] = offset()
        except Retryable:
            continue
    if len(offsets) > 1:
        yield from or_ok(judge_clocks(offsets), "between.clocks", _agreeing(offsets))
    cluster = Cluster(settings)
    for name in topic_names():
        found = cluster.topic(name)
        if isinstance(found, TopicState) and found.config:
            yield from or_ok(
                judge_deletes(name, int(found.config["delete.retention.ms"]), settings),
                "between.deletes",
                f"MongoDB and the topic {name} keep deletes for the same length of time",
            )


def judge_clocks(offsets: dict[str, float]) -> Iterator[Check]:
    """Yield a problem if two clocks differ too much.

    `offsets` contains, for each clock, how many seconds it is ahead of this machine's clock.
    """
    first, last = min(offsets, key=offsets.__getitem__), max(offsets, key=offsets.__getitem__)
    apart = offsets[last] - offsets[first]
    if apart < _APART_SECONDS:
        return
    make = wrong if apart >= _TOO_FAR_APART_SECONDS else warning
    yield make(
        "between.clocks",
        f"The clock of {last} is {apart:.0f} s ahead of the clock of {first}",
        "synchronise the clocks of all machines with NTP",
    )


def judge_deletes(topic: str, kept_ms: int, settings: CdcSettings) -> Iterator[Check]:
    """Yield a problem if the topic and MongoDB keep a delete for different times."""
    days = settings.delete_marker_days
    wanted = days * _DAY_MS
    if kept_ms < wanted:
        yield warning(
            "between.deletes",
            f"The topic {topic} has delete.retention.ms={kept_ms}, so a consumer that is offline "
            f"for DELETE_MARKER_DAYS={days} days can miss a delete",
            f"set delete.retention.ms to {wanted}",
        )
    elif kept_ms > wanted:
        yield warning(
            "between.deletes",
            f"The delete markers in MongoDB expire after DELETE_MARKER_DAYS={days} days, before "
            f"the deletes in the topic {topic} (delete.retention.ms={kept_ms})",
            f"set DELETE_MARKER_DAYS to {-(-kept_ms // _DAY_MS)} or more",
        )


def _agreeing(offsets: dict[str, float]) -> str:
    return f"These clocks agree: {', '.join(offsets)}"
