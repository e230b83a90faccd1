"""An outbox for tests with a clock of their own."""

from cdc.outbox.lease import Lease
from cdc.outbox.queue import OutboxQueue


class LongLeases(OutboxQueue):
    """An outbox whose leases outlast a test on a slow machine, unless they are dropped.

    Leases expire by the database's clock, which no test stops. They stay below the time after which
    another process considers them impossible (`cdc.runtime.leases`).
    """

    def take_lease(self, owner: str, seconds: float, held: Lease | None = None) -> Lease | None:
        return super().take_lease(owner, 40 * seconds, held)
