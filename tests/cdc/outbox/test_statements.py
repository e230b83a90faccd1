"""The SQL statements of a relay's poll and the calls of its publisher, compared with a baseline."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Min

from cdc.models import OutboxRecord
from cdc.outbox.queue import OutboxQueue
from cdc.outbox.sweeper import Sweeper
from cdc.testing.twins import FakeClock, MemoryBroker
from cdc.wire.records import Outgoing
from tests.cdc.outbox.test_relay import relay
from tests.support.golden import matches
from tests.support.statements import statements

pytestmark = [
    pytest.mark.database,
    pytest.mark.counted,
    pytest.mark.django_db(transaction=True),
]

BASELINE = Path(__file__).parent / "statements"
BATCHES = {"0": (0, 0), "1": (1, 900), "20": (20, 900), "1000": (1000, 900), "1 large": (1, 90_000)}
"""The number of rows that are waiting, and the size of each row in bytes."""


class CountingBroker(MemoryBroker):
    """Counts the calls of `publish`, and the records."""

    calls = records = 0

    def publish(
        self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
    ) -> dict[int, str]:
        self.calls += 1
        self.records += len(records)
        return super().publish(records, keep_waiting)


class World:
    """A relay that has the lease and has published one row."""

    def __init__(self) -> None:
        queue, clock = OutboxQueue("default"), FakeClock()
        self.broker = CountingBroker()
        self.sweeper = Sweeper(queue, clock)
        self.relay = relay(self.broker, clock=clock, outbox=queue, sweeper=self.sweeper)
        self.counted(1, 0)
        # On SQLite, the ids continue those of other tests, and the ids below would be a gap.
        self.relay.start_over(self.first)

    def counted(self, number: int, size: int) -> dict[str, int]:
        """Publish and delete `number` rows; return the numbers of statements and calls."""
        OutboxRecord.objects.bulk_create(
            OutboxRecord(
                epoch=1,
                topic="t",
                key=f'{{"id":{key}}}',
                op="u",
                before=b'"%s"' % (b"b" * (size // 2)),
                after=b'"%s"' % (b"a" * (size // 2)),
                ts_ms=1,
                db="d",
                table="t",
            )
            for key in range(number)
        )
        self.first = OutboxRecord.objects.aggregate(first=Min("id"))["first"] or 0
        before = (self.broker.calls, self.broker.records)
        with statements(connection) as polled:
            while self.relay.run_once():
                pass
        with statements(connection) as swept:
            while self.sweeper.run_once():
                pass
        return {
            "statements of the relay": polled(),
            "statements of the sweeper": swept(),
            "calls of publish": self.broker.calls - before[0],
            "records": self.broker.records - before[1],
        }


def test_a_poll_takes_as_many_statements_as_before() -> None:
    world = World()

    found = {name: world.counted(*batch) for name, batch in BATCHES.items()}

    assert not OutboxRecord.objects.exists()
    # MariaDB receives the same statements as MySQL, and has the same vendor name.
    assert matches(BASELINE / f"{connection.vendor}.json", found), f"now: {found}"
