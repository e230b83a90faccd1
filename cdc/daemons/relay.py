"""The relay daemon: from the outbox to Kafka."""

import logging
from contextlib import closing
from functools import partial

from django.db import DEFAULT_DB_ALIAS

from cdc.capture.resend import send_again
from cdc.conf import CdcSettings
from cdc.daemons.continuity import epoch_guard
from cdc.daemons.startup import (
    ensure_topics,
    process_name,
    retry_until_done,
    set_query_timeouts,
)
from cdc.dead_letters.store import RejectedRowStore
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.topics import Topics
from cdc.outbox.queue import OutboxQueue
from cdc.outbox.relay import Relay
from cdc.runtime import telemetry
from cdc.runtime.counters import Counters
from cdc.runtime.loop import Stop, SystemClock, run_until_stopped
from cdc.runtime.signals import daemon_started

_log = logging.getLogger(__name__)
_on_retry = partial(telemetry.log_retry, telemetry.RELAY_RETRY)


def run_relay(settings: CdcSettings) -> None:
    """Publish the outbox until a signal; stand by while another relay publishes."""
    clock = SystemClock()
    counters = Counters(DEFAULT_DB_ALIAS, clock)
    daemon_started.send("relay", counters=counters)
    set_query_timeouts(DEFAULT_DB_ALIAS)
    with Stop() as stop:
        publisher = KafkaPublisher(settings)
        guard = epoch_guard(settings, clock, counters)
        relay = Relay(
            outbox=OutboxQueue(DEFAULT_DB_ALIAS),
            publisher=publisher,
            dead_letters=RejectedRowStore(DEFAULT_DB_ALIAS),
            owner=process_name(),
            send_again=partial(send_again, using=DEFAULT_DB_ALIAS),
            clock=clock,
            counters=counters,
            stopping=lambda: stop.requested,
            guard=guard,
        )
        ensure_topics(Topics(settings), stop, clock, _on_retry)
        learn = partial(guard.learn, lambda: not stop.requested)
        retry_until_done(learn, stop, clock, _on_retry)
        with closing(publisher), closing(relay), stop.bounding_errors():
            run_until_stopped(
                relay.run_once,
                stopped=lambda: stop.requested,
                on_retry=_on_retry,
                pause=relay.pause,
                clock=clock,
            )
        telemetry.log(_log, logging.INFO, telemetry.RELAY_STOPPED)
