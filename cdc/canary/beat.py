"""Sends the canary every ten seconds and waits until it is in the replica."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from cdc.canary.models import Canary, CanaryTrip
from cdc.context import acting_as
from cdc.errors import CdcError
from cdc.read_your_writes import wait_until_applied
from cdc.runtime.clock import Clock, SystemClock
from cdc.runtime.database import retryable_errors
from cdc.runtime.threads import start_thread

NAME = "feed"
EVERY_SECONDS = 10.0
_LONGEST_BREAK = timedelta(seconds=3 * EVERY_SECONDS)
"""After a longer break, the next canary has as much time to arrive as the very first canary."""

Wait = Callable[[Canary, float], bool]


def beat(using: str, clock: Clock, wait: Wait = wait_until_applied) -> float | None:
    """Send the canary, wait until it is in the replica, and return its latency in seconds.

    The latency is also stored. Return None if the canary has not arrived after `EVERY_SECONDS`,
    when the next canary is due.
    """
    began = clock.monotonic()
    now = datetime.fromtimestamp(clock.time(), tz=UTC)
    canary = _send(now, using)
    trips = CanaryTrip.objects.using(using)
    times = {"sent_at": now, "started_at": _started_at(trips.filter(name=NAME).first(), now)}
    trips.update_or_create(name=NAME, defaults=times)
    if not wait(canary, EVERY_SECONDS):
        return None
    seconds = clock.monotonic() - began
    arrived = datetime.fromtimestamp(clock.time(), tz=UTC)
    trips.filter(name=NAME).update(arrived_at=arrived, seconds=seconds)
    return seconds


def start_beating(using: str, stopped: Callable[[], bool]) -> None:
    """Start a daemon thread that sends the canary until `stopped` returns True."""
    clock = SystemClock()

    def run() -> None:
        while not stopped():
            due = clock.monotonic() + EVERY_SECONDS
            # An outage is reported elsewhere. Here it only delays the canary.
            with suppress(CdcError), retryable_errors(using):
                beat(using, clock)
            while not stopped() and clock.monotonic() < due:
                clock.sleep(0.5)

    start_thread("canary", run, stopped=stopped)


def _started_at(last: CanaryTrip | None, now: datetime) -> datetime:
    """Return the time since which the canary has been sent without a long break."""
    if last is None or last.started_at is None or now - last.sent_at > _LONGEST_BREAK:
        return now
    return last.started_at


def _send(now: datetime, using: str) -> Canary:
    canaries = Canary.objects.using(using)
    with acting_as("canary"):
        last = canaries.filter(name=NAME).values_list("beat", flat=True).first() or 0
        canary = Canary(name=NAME, beat=last + 1, sent_at=now)
        canary.save(using=using)
    return canary
