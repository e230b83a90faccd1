"""Reads a topic with a plain Kafka consumer, and checks the order of its events."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from cdc.conf import CdcSettings

Version = tuple[int, int]
_LATE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An event in the topic."""

    partition: int
    offset: int
    story: str
    version: Version
    op: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def read_topic(settings: CdcSettings, seconds: float = 90.0, *, rows: bool = True) -> list[Seen]:
    """Return all events of the topic, in the order of each partition.

    If `rows` is false, `before` and `after` are None, to save memory.
    """
    with _reader(settings) as consumer:
        return list(_read(consumer, settings, time.monotonic() + seconds, rows=rows))


def ends_of(settings: CdcSettings) -> dict[int, int]:
    """Return the end offset of each partition."""
    with _reader(settings) as consumer:
        return _ends(consumer, settings)


@contextmanager
def _reader(settings: CdcSettings) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": f"{settings.group}-reader",
            "enable.auto.commit": False,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _ends(consumer: Consumer, settings: CdcSettings) -> dict[int, int]:
    sources = [TopicPartition(settings.topic, number) for number in range(settings.partitions)]
    return {item.partition: consumer.get_watermark_offsets(item, timeout=60)[1] for item in sources}


def _read(
    consumer: Consumer, settings: CdcSettings, deadline: float, *, rows: bool
) -> Iterator[Seen]:
    sources = [TopicPartition(settings.topic, number) for number in range(settings.partitions)]
    ends = _ends(consumer, settings)
    left = {number for number, end in ends.items() if end}
    for source in sources:
        source.offset = OFFSET_BEGINNING
    consumer.assign(sources)
    while left:
        assert time.monotonic() < deadline, f"partitions {left} were not read to their end"
        for message in consumer.consume(500, 0.5):
            assert message.error() is None, message.error()
            number, offset = message.partition() or 0, message.offset() or 0
            if offset + 1 >= ends[number]:
                left.discard(number)
            if (message.value() or b"").startswith(
                b"{"
            ):  # Skip tombstones and the malformed messages of tests.
                yield _seen(message, rows=rows)


def _seen(message: Any, *, rows: bool) -> Seen:
    envelope = json.loads(message.value())
    epoch, number = json.loads(envelope["source"]["sequence"])
    return Seen(
        partition=message.partition(),
        offset=message.offset(),
        story=message.key().decode(),
        version=(int(epoch), int(number)),
        op=envelope["op"],
        before=envelope["before"] if rows else None,
        after=envelope["after"] if rows else None,
    )


def out_of_order(records: Iterable[Seen], logged: set[tuple[int, int, str]]) -> list[str]:
    """Return a message for each error in the order of `records`.

    `logged` contains the epoch, the id and the key of every outbox row.
    """
    firsts, lasts = _first_appearances(records)
    wrong = []
    seen = {(*item.version, item.story) for story in firsts.values() for item in story}
    if seen != logged:
        wrong.append(
            f"lost: {sorted(logged - seen)[:5]}, not committed: {sorted(seen - logged)[:5]}"
        )
    for story, items in firsts.items():
        wrong += [
            f"{story}: {item.version} at {item.partition}:{item.offset} first appears after "
            f"{last.version} at {last.partition}:{last.offset}"
            for last, item in pairwise(items)
            if item.version < last.version
        ]
        wrong += _gaps(story, items)
        newest = max(item.version for item in items)
        if lasts[story] != newest:
            wrong.append(f"{story} ends with {lasts[story]}, {newest} is its newest")
    return wrong


def disorder(settings: CdcSettings, logged: Callable[[], set[tuple[int, int, str]]]) -> list[str]:
    """Return the errors in the order of the topic's events. See `lasting_errors`."""
    return lasting_errors(lambda: out_of_order(read_topic(settings), logged()))


def lasting_errors(errors: Callable[[], list[str]]) -> list[str]:
    """Return `errors()`. While there are any, call it again, for up to 30 s.

    A relay that got no processor time publishes rows again that another relay has published. The
    rows that it sends again are logged when they are inserted, before they are in the topic.
    """
    deadline = time.monotonic() + _LATE_SECONDS
    while (wrong := errors()) and time.monotonic() < deadline:
        time.sleep(1)
    return wrong


def _first_appearances(
    records: Iterable[Seen],
) -> tuple[dict[str, list[Seen]], dict[str, Version]]:
    firsts: dict[str, list[Seen]] = {}
    known: set[Version] = set()
    lasts: dict[str, Version] = {}
    for item in records:
        lasts[item.story] = item.version
        if item.version not in known:
            known.add(item.version)
            firsts.setdefault(item.story, []).append(item)
    return firsts, lasts


def _gaps(story: str, items: list[Seen]) -> Iterator[str]:
    # `before` must equal the `after` of the previous change. This shows the order of the commits
    # independently of the ids.
    for last, item in pairwise(items):
        if item.op != "r" and last.op != "r" and not _same(item.before, last.after):
            # A delete that is sent again has only the key.
            if item.op == last.op == "d":
                continue
            yield f"{story}: {item.version} did not follow {last.version}"


def _same(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    """Compare two images. A column may have been added between them."""
    if before is None or after is None:
        return before is after
    return all(before[name] == after[name] for name in before.keys() & after.keys())
