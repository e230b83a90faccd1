"""A relay with an epoch guard, a real outbox and an in-memory broker."""

from collections import Counter
from functools import partial

from cdc.capture.resend import send_again
from cdc.dead_letters.store import RejectedRowStore
from cdc.outbox import table as outbox
from cdc.outbox.continuity import EpochGuard, Witness
from cdc.outbox.relay import LEASE_SECONDS, Relay
from cdc.outbox.sweeper import Sweeper
from cdc.runtime.counters import Counters
from cdc.testing.tail import MemoryLastPublished
from cdc.testing.twins import FakeClock, MemoryBroker
from cdc.wire.event import Version
from cdc.wire.records import Outgoing
from stories.models import Story
from tests.cdc.outbox.long_leases import LongLeases
from tests.cdc.outbox.test_relay import Inline


class Tally(Counters):
    """Counters that are not written to the database."""

    def flush(self) -> None:
        pass


class Scene:
    """A relay with an epoch guard, a real outbox and an in-memory broker."""

    def __init__(self) -> None:
        self.broker, self.clock = MemoryBroker(), FakeClock(now=1_764_000_000.0)
        self.began: list[tuple[int, str]] = []
        self.counters = Tally("default", self.clock)
        self.witnesses: list[Witness] = [MemoryLastPublished(self.broker)]
        self.relay = self.new_relay("a")

    def new_relay(self, owner: str, sweeper: type[Sweeper] = Inline) -> Relay:
        guard = EpochGuard(
            using="default",
            witnesses=self.witnesses,
            topics=["story-events"],
            on_new_epoch=lambda epoch, reason: self.began.append((epoch, reason)),
            clock=self.clock,
            counters=self.counters,
        )
        queue = LongLeases("default")
        self.sweeper = sweeper(queue, self.clock)
        return Relay(
            outbox=queue,
            sweeper=self.sweeper,
            publisher=self.broker,
            dead_letters=RejectedRowStore("default"),
            owner=owner,
            send_again=partial(send_again, using="default"),
            clock=self.clock,
            counters=self.counters,
            stopping=lambda: False,
            guard=guard,
        )

    def run(self, relay: Relay | None = None) -> None:
        for _ in range(3):
            (relay or self.relay).run_once()

    def sweep(self) -> None:
        """Delete the published rows, as the relay's other thread does."""
        while self.sweeper.run_once():
            pass

    def restart(self, owner: str = "b") -> None:
        """Replace the relay with a new one, which has no memory of published versions."""
        self.relay.close()
        self.clock.sleep(LEASE_SECONDS)
        self.relay = self.new_relay(owner)

    def versions(self) -> list[Version]:
        return [version_of(record) for log in self.broker.logs.values() for record in log]

    def repeated(self) -> dict[Version, int]:
        """Return the versions that were published with different contents."""
        contents = {
            (version_of(record), record.key, record.value)
            for log in self.broker.logs.values()
            for record in log
            if record.value
        }
        counted = Counter(version for version, _, _ in contents)
        return {version: number for version, number in counted.items() if number > 1}


def version_of(record: Outgoing) -> Version:
    headers = dict(record.headers)
    return Version(int(headers["epoch"]), int(headers["outbox_id"]))


def save(number: int = 1) -> list[Story]:
    return [Story.objects.create(title=f"s {n}", href="http://e.org/") for n in range(number)]


def epoch() -> int:
    return outbox.current_epoch(using="default") or 0
