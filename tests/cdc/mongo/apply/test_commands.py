"""The number of MongoDB commands for a batch, compared with committed numbers.

Each command is a round trip, and most of the time of a small batch is round trips. If a change
of the code needs fewer commands, lower the committed number.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cdc.conf import CdcSettings
from cdc.mongo.client import connect
from cdc.mongo.plan import Delivered
from cdc.mongo.replica import MongoReplica
from cdc.runtime.clock import SystemClock
from tests.support.builders import COLLECTIONS, ROUTE, SOURCE, TABLE, change, delivered
from tests.support.mongodb import COMMANDS

pytestmark = pytest.mark.services

# Batch -> the commands with one collection, and with three collections.
BASELINE: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "1 create": (
        {"update": 1, "insert": 3, "commitTransaction": 1},
        {"update": 1, "insert": 5, "commitTransaction": 1},
    ),
    "1 update": (
        {"update": 2, "insert": 1, "commitTransaction": 1},
        {"update": 4, "insert": 1, "commitTransaction": 1},
    ),
    "1 delete": (
        {"update": 2, "delete": 1, "insert": 1, "commitTransaction": 1},
        {"update": 2, "delete": 3, "insert": 1, "commitTransaction": 1},
    ),
    "48 creates, 12 updates, 4 deletes": (
        {"update": 3, "delete": 1, "insert": 3, "commitTransaction": 1},
        {"update": 5, "delete": 3, "insert": 5, "commitTransaction": 1},
    ),
    "1000 creates": (
        {"update": 1, "insert": 3, "commitTransaction": 1},
        {"update": 1, "insert": 5, "commitTransaction": 1},
    ),
    "1000 reads": (  # of a first snapshot
        {"update": 1, "insert": 3, "commitTransaction": 1},
        {"update": 1, "insert": 5, "commitTransaction": 1},
    ),
    "1000 updates": (
        {"aggregate": 1, "update": 2, "insert": 1, "commitTransaction": 1},
        {"aggregate": 3, "update": 4, "insert": 1, "commitTransaction": 1},
    ),
    "400 deletes": (
        {"aggregate": 1, "update": 2, "delete": 1, "insert": 1, "commitTransaction": 1},
        {"aggregate": 1, "update": 2, "delete": 3, "insert": 1, "commitTransaction": 1},
    ),
}


class Target:
    """A replica with some stories."""

    def __init__(self, settings: CdcSettings, collections: int) -> None:
        route = replace(ROUTE, collections=COLLECTIONS[:collections])
        self.client = connect(settings)
        clock = SystemClock()
        self._replica = MongoReplica(self.client, settings, {TABLE: route}, "a", clock=clock)
        self._replica.prepare()
        self._replica.take_over(SOURCE, "topic 1")
        self._version = self._offset = self._last_key = 0

    def apply(self, batch: list[Delivered]) -> None:
        self._offset += 1
        self._replica.apply(batch, {SOURCE: self._offset})

    def creates(self, number: int) -> list[Delivered]:
        return self._new("c", number)

    def reads(self, number: int) -> list[Delivered]:
        return self._new("r", number)

    def updates(self, number: int) -> list[Delivered]:
        return [self._change("u", key) for key in range(number)]

    def deletes(self, number: int) -> list[Delivered]:
        return [self._change("d", 500 + key) for key in range(number)]

    def _new(self, op: str, number: int) -> list[Delivered]:
        keys = range(self._last_key, self._last_key + number)
        self._last_key += number
        return [self._change(op, key) for key in keys]

    def _change(self, op: str, key: int) -> Delivered:
        self._version += 1
        return delivered(change(op, key, self._version))


@pytest.fixture(params=[1, 3])
def target(request: pytest.FixtureRequest, feed_settings: CdcSettings) -> Iterator[Target]:
    with COMMANDS.record():  # The client is created here, so that its commands can be recorded.
        target = Target(feed_settings, request.param)
    target.apply(target.creates(1000))
    yield target
    target.client.drop_database(feed_settings.mongodb_database)
    target.client.close()


@pytest.mark.parametrize("batch", BASELINE)
def test_a_batch_needs_no_more_commands_than_before(
    target: Target, request: pytest.FixtureRequest, batch: str
) -> None:
    events: list[Delivered] = []
    for part in batch.split(", "):
        number, kind = part.split()
        events += getattr(target, f"{kind.rstrip('s')}s")(int(number))

    with COMMANDS.record() as sent:
        target.apply(events)

    three = request.node.callspec.params["target"] == len(COLLECTIONS)
    assert Counter(next(iter(command)) for command in sent) == BASELINE[batch][three]
