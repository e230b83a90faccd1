"""The feed's two daemons, put together from their parts and run until a signal."""

import logging
import os
import socket
import uuid
from collections.abc import Callable
from contextlib import closing
from functools import partial

from django.db import DEFAULT_DB_ALIAS, connections

from cdc.capture.resend import send_again
from cdc.conf import CdcSettings
from cdc.consumer import consumer
from cdc.consumer.consumer import ReplicaConsumer
from cdc.consumer.old_events import OldEvents
from cdc.consumer.pause import PauseWatch
from cdc.consumer.source_rows import SourceRows, source_epoch
from cdc.dead_letters.store import DeadLetterStore
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.source import KafkaSource
from cdc.kafka.topics import Topics
from cdc.mongo.client import connect
from cdc.mongo.plan import Route
from cdc.mongo.replica import MongoReplica
from cdc.outbox import relay
from cdc.outbox.queue import OutboxQueue
from cdc.outbox.relay import Relay
from cdc.registry import registry
from cdc.runtime import telemetry
from cdc.runtime.counters import Counters
from cdc.runtime.loop import Clock, Stop, SystemClock, run_until_stopped
from cdc.runtime.signals import daemon_started

_DATABASE_WAIT_SECONDS = 8
_log = logging.getLogger(__name__)


def routes() -> dict[str, Route]:
    """Return where the rows of each captured table go."""
    return {
        capture.table: Route(
            table=capture.table,
            key=capture.key.name,
            columns=capture.columns,
            collections=capture.collections,
            history=not capture.internal,
        )
        for capture in registry.all()
    }


def topic_names() -> list[str]:
    """Return the topics of the captured models, without the feed's own."""
    return sorted({capture.topic for capture in registry})


def all_topics() -> dict[str, int]:
    """Return every topic, and how many partitions it is created with; 0 is as the settings say."""
    own = {capture.topic: 1 for capture in registry.all() if capture.internal}
    return {**own, **dict.fromkeys(topic_names(), 0)}


def run_relay(settings: CdcSettings) -> None:
    """Publish from the outbox until a signal; standby while another relay does."""
    daemon_started.send("relay")
    _bound_waits(DEFAULT_DB_ALIAS)
    clock = SystemClock()
    with Stop() as stop:
        publisher = KafkaPublisher(settings)
        worker = Relay(
            outbox=OutboxQueue(DEFAULT_DB_ALIAS),
            publisher=publisher,
            owner=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            send_again=partial(send_again, using=DEFAULT_DB_ALIAS),
            clock=clock,
            counters=Counters(DEFAULT_DB_ALIAS, clock),
            stopping=lambda: stop.requested,
        )
        _ensure_topics(Topics(settings), stop, clock)
        with closing(publisher), closing(worker), stop.bounding_errors():
            run_until_stopped(
                worker.run_once,
                stopped=lambda: stop.requested,
                on_retry=relay.on_retry,
                pause=worker.pause,
                clock=clock,
            )
        telemetry.log(_log, logging.INFO, telemetry.RELAY_STOPPED)


def run_consumer(settings: CdcSettings, instance: str) -> None:
    """Apply the topic to MongoDB until a signal; `instance` names this process in its group."""
    daemon_started.send("consumer")
    _bound_waits(DEFAULT_DB_ALIAS)
    clock = SystemClock()
    with Stop() as stop:
        topics = Topics(settings)
        replica = _replica(settings, instance, clock)
        _ensure_topics(topics, stop, clock)
        _until_done(replica.prepare, stop, clock)
        paused = PauseWatch(settings.group, DEFAULT_DB_ALIAS)
        paused.start()
        source = KafkaSource(settings, sorted(all_topics()), instance)
        worker = ReplicaConsumer(
            source=source,
            topics=topics,
            replica=replica,
            dead_letters=DeadLetterStore(settings.group, DEFAULT_DB_ALIAS),
            routes=routes(),
            source_epoch=partial(source_epoch, using=DEFAULT_DB_ALIAS),
            old_events=OldEvents(
                SourceRows(registry.by_table(), DEFAULT_DB_ALIAS),
                clock,
                settings.delete_marker_days,
            ),
            counters=Counters(DEFAULT_DB_ALIAS, clock),
            clock=clock,
            paused=paused,
        )
        telemetry.log(_log, logging.INFO, telemetry.CONSUMER_STARTED, instance=instance)
        with closing(source), stop.bounding_errors():
            run_until_stopped(
                worker.run_once,
                stopped=lambda: stop.requested,
                on_retry=consumer.on_retry,
                pause=lambda: None,
                clock=clock,
            )
        telemetry.log(_log, logging.INFO, telemetry.CONSUMER_STOPPED, instance=instance)


def _replica(settings: CdcSettings, instance: str, clock: Clock) -> MongoReplica:
    return MongoReplica(
        connect(settings),
        settings,
        routes(),
        f"{instance}:{uuid.uuid4().hex}",
        clock=clock,
    )


def _bound_waits(using: str) -> None:
    """Let no statement of this process wait for ever for a MySQL that says nothing."""
    connection = connections[using]
    if connection.vendor == "mysql":
        seconds = _DATABASE_WAIT_SECONDS
        connection.settings_dict["OPTIONS"].update(read_timeout=seconds, write_timeout=seconds)


def _ensure_topics(topics: Topics, stop: Stop, clock: Clock) -> None:
    for name, partitions in all_topics().items():
        _until_done(partial(topics.ensure, name, partitions), stop, clock)


def _until_done(step: Callable[[], None], stop: Stop, clock: Clock) -> None:
    """Do `step` once, however often the service that it needs is away before."""
    done = False

    def attempt() -> bool:
        nonlocal done
        step()
        done = True
        return True

    run_until_stopped(
        attempt,
        stopped=lambda: stop.requested or done,
        on_retry=consumer.on_retry,
        pause=lambda: None,
        clock=clock,
    )
