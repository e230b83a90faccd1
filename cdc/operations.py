"""What a project's own pages, probes and metrics call to show the feed and to operate it."""

from cdc.consumer.pause import pause, resume
from cdc.daemons.daemons import topic_names
from cdc.dead_letters.console import place
from cdc.dead_letters.decisions import Outcome, discard, replay
from cdc.dead_letters.inspection import Inspector
from cdc.feed.audience import Audience
from cdc.jobs.kinds import COUNT, RECONCILE, REPAIR, SNAPSHOT
from cdc.jobs.table import Jobs
from cdc.kafka.topics import Topics
from cdc.mongo.client import connect
from cdc.mongo.positions import Positions
from cdc.mongo.statistics import Figures, FiguresReader, PulseReader
from cdc.operator_log import people
from cdc.outbox import table
from cdc.resync.selection import selections
from cdc.runtime import telemetry
from cdc.status.latency import Delays
from cdc.status.reader import StatusReader
from cdc.status.row_trace import way_of
from cdc.status.status import PATIENCE_SECONDS, PartitionLag, Status, TableCount
from cdc.wire.columns import wire_time

__all__ = [
    "COUNT",
    "PATIENCE_SECONDS",
    "RECONCILE",
    "REPAIR",
    "SNAPSHOT",
    "Audience",
    "Delays",
    "Figures",
    "FiguresReader",
    "Inspector",
    "Jobs",
    "Outcome",
    "PartitionLag",
    "Positions",
    "PulseReader",
    "Status",
    "StatusReader",
    "TableCount",
    "Topics",
    "connect",
    "discard",
    "pause",
    "people",
    "place",
    "replay",
    "resume",
    "selections",
    "table",
    "telemetry",
    "topic_names",
    "way_of",
    "wire_time",
]
