"""The consumer daemon: from Kafka to MongoDB."""

import gc
import logging
import uuid
from contextlib import closing
from functools import partial

from django.db import DEFAULT_DB_ALIAS

from cdc.conf import CdcSettings
from cdc.consumer.consumer import ReplicaConsumer
from cdc.consumer.old_events import OldEvents
from cdc.consumer.pause import PauseWatch
from cdc.consumer.presence import Presence
from cdc.consumer.routes import routes
from cdc.consumer.source_rows import SourceRows, source_epoch
from cdc.daemons.startup import Startup, set_query_timeouts
from cdc.dead_letters.store import DeadLetterStore
from cdc.doctor.database import check_database
from cdc.doctor.kafka import GROUP, READ, check_kafka
from cdc.doctor.mongodb import check_mongodb
from cdc.kafka.source import KafkaSource
from cdc.kafka.topics import Topics
from cdc.mongo.client import connect
from cdc.mongo.columns import DocumentColumns
from cdc.mongo.instances import Instances
from cdc.mongo.replica import MongoReplica
from cdc.registry import all_topics, registry
from cdc.runtime import telemetry
from cdc.runtime.clock import Clock, SystemClock
from cdc.runtime.command import daemon_started
from cdc.runtime.counters import Counters
from cdc.runtime.error_report import ErrorReport
from cdc.runtime.retry import run_until_stopped
from cdc.runtime.service_manager import supervised
from cdc.runtime.stop import Stop
from cdc.runtime.tracing import flushing

_log = logging.getLogger(__name__)


def run_consumer(settings: CdcSettings, instance: str) -> None:
    """Apply the topics' messages until a signal arrives; `instance` is the `group.instance.id`."""
    clock = SystemClock()
    counters = Counters(DEFAULT_DB_ALIAS, clock)
    daemon_started.send("consumer", counters=counters)
    set_query_timeouts(DEFAULT_DB_ALIAS)
    name = f"consumer {instance}"
    errors = ErrorReport(name, telemetry.CONSUMER_RETRY, DEFAULT_DB_ALIAS, clock)
    with Stop() as stop, flushing(), errors:
        startup = Startup(stop, clock, errors.on_retry)
        topics = Topics(settings)
        replica = _replica(settings, instance, clock)
        startup.examine_once(partial(check_database, settings, DEFAULT_DB_ALIAS))
        startup.examine(partial(check_kafka, settings, (READ, GROUP)))
        startup.ensure_topics(topics)
        startup.examine(partial(check_mongodb, settings))
        startup.do(replica.prepare)
        startup.do(partial(_look_at_columns, settings))
        paused = PauseWatch(settings.group, DEFAULT_DB_ALIAS)
        paused.start()
        presence = Presence(Instances(connect(settings), settings, instance), instance, clock)
        startup.do(presence.claim)
        # Release the name last: the consumer leaves its group only when the source is closed.
        with (
            presence.beating(),
            closing(KafkaSource(settings, sorted(all_topics()), instance)) as source,
            stop.bounding_errors(),
        ):
            consumer = ReplicaConsumer(
                source=source,
                topics=topics,
                replica=replica,
                dead_letters=DeadLetterStore(settings.group, DEFAULT_DB_ALIAS),
                routes=routes(),
                source_epoch=partial(source_epoch, using=DEFAULT_DB_ALIAS),
                old_events=_old_events(settings, clock),
                counters=counters,
                clock=clock,
                paused=paused,
            )
            telemetry.log(_log, logging.INFO, telemetry.CONSUMER_STARTED, instance=instance)
            _exempt_from_garbage_search()
            run_until_stopped(
                supervised(errors.watched(consumer.run_once)),
                stopped=lambda: stop.requested,
                on_retry=errors.on_retry,
                pause=lambda: None,
                clock=clock,
            )
        telemetry.log(_log, logging.INFO, telemetry.CONSUMER_STOPPED, instance=instance)


def _look_at_columns(settings: CdcSettings) -> None:
    """Record the columns that all documents of each model have; the status reads this record."""
    columns = DocumentColumns(connect(settings), settings)
    for capture in registry:
        columns.look(capture.table, capture.columns, capture.collections)


def _old_events(settings: CdcSettings, clock: Clock) -> OldEvents:
    rows = SourceRows(registry.by_table(), DEFAULT_DB_ALIAS)
    return OldEvents(rows, clock, settings.delete_marker_days)


def _exempt_from_garbage_search() -> None:
    """Exempt the existing objects, which live as long as the process, from garbage collection.

    A collection then examines only the objects of the batch, which saves a quarter of the
    consumer's work per change.
    """
    gc.collect()
    gc.freeze()


def _replica(settings: CdcSettings, instance: str, clock: Clock) -> MongoReplica:
    return MongoReplica(
        connect(settings),
        settings,
        routes(),
        f"{instance}:{uuid.uuid4().hex}",
        clock=clock,
    )
