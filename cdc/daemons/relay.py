"""The relay daemon: from the outbox to Kafka."""

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from django.db import DEFAULT_DB_ALIAS

from cdc.capture.resend import send_again
from cdc.conf import CdcSettings
from cdc.daemons.continuity import epoch_guard
from cdc.daemons.startup import Startup, process_name, set_query_timeouts
from cdc.dead_letters.store import RejectedRowStore
from cdc.doctor.database import check_database
from cdc.doctor.kafka import READ, WRITE, check_kafka
from cdc.errors import Fatal
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.topics import Topics
from cdc.outbox.queue import OutboxQueue
from cdc.outbox.relay import Relay
from cdc.outbox.sweeper import Sweeper
from cdc.registry import all_topics
from cdc.runtime import telemetry
from cdc.runtime.clock import SystemClock
from cdc.runtime.command import daemon_started
from cdc.runtime.counters import Counters
from cdc.runtime.error_report import ErrorReport
from cdc.runtime.retry import run_until_stopped
from cdc.runtime.service_manager import supervised
from cdc.runtime.stop import Stop
from cdc.runtime.tracing import flushing

_DRAIN_SECONDS = 1.5
"""How long a stop waits for published rows to be deleted; remaining rows are published again."""
_log = logging.getLogger(__name__)


def run_relay(settings: CdcSettings) -> None:
    """Publish the outbox until a signal arrives; stand by while another relay publishes."""
    clock = SystemClock()
    counters = Counters(DEFAULT_DB_ALIAS, clock)
    daemon_started.send("relay", counters=counters)
    set_query_timeouts(DEFAULT_DB_ALIAS)
    owner = process_name()
    errors = ErrorReport(f"relay {owner}", telemetry.RELAY_RETRY, DEFAULT_DB_ALIAS, clock)
    with Stop() as stop, flushing(), errors:
        publisher = KafkaPublisher(settings, all_topics())
        outbox = OutboxQueue(DEFAULT_DB_ALIAS)
        sweeper = Sweeper(outbox, clock)
        guard = epoch_guard(settings, clock, counters)
        relay = Relay(
            outbox=outbox,
            sweeper=sweeper,
            publisher=publisher,
            dead_letters=RejectedRowStore(DEFAULT_DB_ALIAS),
            owner=owner,
            send_again=partial(send_again, using=DEFAULT_DB_ALIAS),
            clock=clock,
            counters=counters,
            stopping=lambda: stop.requested,
            guard=guard,
        )
        startup = Startup(stop, clock, errors.on_retry)
        startup.examine(partial(check_database, settings, DEFAULT_DB_ALIAS))
        # The relay also reads the last messages of each topic.
        startup.examine(partial(check_kafka, settings, (READ, WRITE)))
        startup.ensure_topics(Topics(settings))
        startup.do(partial(guard.learn, lambda: not stop.requested))
        with (
            closing(publisher),
            closing(relay),
            stop.bounding_errors(),
            _sweeping(sweeper, outbox, clock, errors) as thread,
        ):
            run_until_stopped(
                supervised(errors.watched(relay.run_once)),
                stopped=lambda: stop.requested or not thread.is_alive(),
                on_retry=errors.on_retry,
                pause=relay.pause,
                clock=clock,
            )
            if not thread.is_alive():
                raise Fatal(
                    "The thread that deletes published rows has ended: see the traceback above."
                )
        telemetry.log(_log, logging.INFO, telemetry.RELAY_STOPPED)


@contextmanager
def _sweeping(
    sweeper: Sweeper, outbox: OutboxQueue, clock: SystemClock, errors: ErrorReport
) -> Iterator[threading.Thread]:
    """Run the sweeper in a thread with its own connection; wait at the end until it is idle."""
    ended = threading.Event()

    def run() -> None:
        with closing(outbox):
            run_until_stopped(
                sweeper.run_once,
                stopped=ended.is_set,
                on_retry=errors.on_retry,
                pause=sweeper.pause,
                clock=clock,
            )

    thread = threading.Thread(target=run, name="sweeper", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        deadline = clock.monotonic() + _DRAIN_SECONDS
        while not sweeper.idle and thread.is_alive() and clock.monotonic() < deadline:
            clock.sleep(0.01)
        ended.set()
        thread.join(_DRAIN_SECONDS)
