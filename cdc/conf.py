"""The settings of `cdc`: one frozen object, validated when it is created."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from django.conf import settings

from cdc.errors import Misconfigured

TOPIC_NAME = re.compile(r"(?!\.{1,2}\Z)[a-zA-Z0-9._-]{1,249}\Z")
"""The topic names that Kafka allows."""
COLLECTION_NAME = re.compile(r"(?!system\.)[A-Za-z_][A-Za-z0-9_.-]{0,119}\Z")
"""The names that a replica collection may have."""
_DATABASE = re.compile(r"[A-Za-z0-9_-]{1,63}\Z")
_SMALLEST_EVENT_LIMIT = 1_000
_GUARANTEES = frozenset(
    {
        # The order, the durability and the acknowledgement of published records.
        *("acks", "request.required.acks", "enable.idempotence", "enable.gapless.guarantee"),
        *("max.in.flight", "max.in.flight.requests.per.connection", "transactional.id"),
        *("message.timeout.ms", "delivery.timeout.ms", "delivery.report.only.error"),
        *("partitioner", "message.max.bytes", "topic.metadata.propagation.max.ms"),
        # The position, the partitions and the group of a consumer.
        *("group.id", "group.instance.id", "group.protocol", "group.protocol.type"),
        *("group.remote.assignor", "partition.assignment.strategy", "auto.offset.reset"),
        *("enable.auto.commit", "auto.commit.enable", "enable.auto.offset.store"),
        *("offset.store.method", "offset.store.path", "offset.store.sync.interval.ms"),
        *("isolation.level", "enable.partition.eof", "check.crcs"),
        # Which topics exist.
        *("topic.blacklist", "allow.auto.create.topics"),
    }
)
"""Settings that `kafka_config` must not contain, because the guarantees depend on them."""
_REFUSED_KAFKA_SETTINGS = (
    (
        re.compile(r"(bootstrap\.servers|metadata\.broker\.list)\Z"),
        "which names the brokers: use KAFKA_BOOTSTRAP_SERVERS instead",
    ),
    (
        re.compile(r"(logger|on_commit|on_delivery|default\.topic\.config|.*_cb)\Z"),
        "whose value is a Python object, not text: remove it",
    ),
    (re.compile(r"test\.mock\."), "which replaces the brokers with simulated ones: remove it"),
    (
        re.compile(r"plugin\.library\.paths\Z"),
        "which would load other code into each process: remove it",
    ),
)
"""Other settings that `kafka_config` must not contain, and for each the reason and the remedy."""
LARGEST_EVENT_LIMIT = 15_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CdcSettings:
    """The addresses, names and limits of the pipeline. An invalid value raises Misconfigured."""

    topic: str
    """The Kafka topic of the captured models that are registered without a topic."""
    group: str
    """The Kafka consumer group that applies the changes to MongoDB."""
    mongodb_database: str
    """The MongoDB database of the replica."""
    collections: tuple[str, ...]
    """The replica collections of the captured models that are registered without collections. Each
    change of such a model is written to all of these collections in one transaction."""
    connector: str
    """The value of `source.connector` and `source.name` in each message."""
    client_name: str
    """The name under which this application's connections appear in Kafka and MongoDB."""
    history_collection: str
    """The collection of the history, with one document for each event that a consumer processed."""
    positions_collection: str
    """The collection of the consumers' positions, with one document for each group, topic and
    partition. A document contains, among other fields, the id of the topic, the owner and the next
    offset. Two more collections have names that begin with this name: `…_columns` stores which
    columns all documents have, and `…_instances` which process has which instance name."""
    canary_collection: str
    """The collection for the canary, a test row that is saved repeatedly."""
    bootstrap_servers: str = ""
    """The Kafka brokers as `host:port`, separated by commas; empty until `up` starts a broker."""
    kafka_config: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    """Additional librdkafka settings, for example for TLS and SASL; a JSON object in the
    environment. Settings on which a guarantee depends, such as `acks`, are refused."""
    partitions: int = 5
    """The number of partitions of a topic when it is created."""
    replication_factor: int = 1
    """The replication factor of a topic when it is created; use 3 on a cluster."""
    mongodb_uri: str = field(default="", repr=False)
    """The MongoDB replica set, such as `mongodb://host:27017/?replicaSet=name`; empty until `up`
    has started a server."""
    history_days: int = 90
    """The number of days for which the history keeps an event; 0 disables the history."""
    delete_marker_days: int = 7
    """The number of days for which the replica keeps the version of a deleted row."""
    max_event_bytes: int = 900_000
    """The maximum size of an encoded event, in bytes. A row whose event would be larger is refused
    when the row is saved."""
    feed_streams: int = 5_000
    """The maximum number of open streams of the live feed in one web process."""
    feed_streams_per_account: int = 20
    """The maximum number of open streams of one account in one web process."""
    feed_streams_per_address: int = 200
    """The maximum number of open streams from one client address in one web process. An IPv6
    network with a prefix of 64 bits counts as one address."""
    home: Path = Path("var")
    """A folder that all consumers on one machine share. Lock files in it ensure that no two
    consumers use the same instance name."""
    schema_dir: Path | None = None
    """The folder of the committed JSON Schemas, which `manage.py event_schema` writes and
    `manage.py check` compares with the captured tables; None disables this check."""

    @property
    def columns_collection(self) -> str:
        """The collection that stores which columns all documents have."""
        return f"{self.positions_collection}_columns"

    @property
    def instances_collection(self) -> str:
        """The collection that stores which process has which instance name."""
        return f"{self.positions_collection}_instances"

    def __post_init__(self) -> None:
        _name("KAFKA_TOPIC", self.topic, TOPIC_NAME, "letters, digits, '.', '_' and '-'")
        _name("MONGODB_DATABASE", self.mongodb_database, _DATABASE, "letters, digits, '_', '-'")
        _collections(self)
        _kafka_settings(self.kafka_config)
        _at_least("KAFKA_PARTITIONS", self.partitions, 1)
        _at_least("KAFKA_REPLICATION_FACTOR", self.replication_factor, 1)
        _at_least("HISTORY_DAYS", self.history_days, 0)
        _at_least("DELETE_MARKER_DAYS", self.delete_marker_days, 1)
        _at_least("MAX_EVENT_BYTES", self.max_event_bytes, _SMALLEST_EVENT_LIMIT)
        _at_least("FEED_STREAMS", self.feed_streams, 1)
        _at_least("FEED_STREAMS_PER_ACCOUNT", self.feed_streams_per_account, 1)
        _at_least("FEED_STREAMS_PER_ADDRESS", self.feed_streams_per_address, 1)
        if self.max_event_bytes > LARGEST_EVENT_LIMIT:
            raise Misconfigured(
                f"MAX_EVENT_BYTES is {self.max_event_bytes}: a MongoDB document can be at "
                f"most 16 MB in size, so set it to {LARGEST_EVENT_LIMIT} or less."
            )
        if not self.group.strip():
            raise Misconfigured("CONSUMER_GROUP is empty: set it to the consumer group's name.")


def cdc_settings() -> CdcSettings:
    """Return `settings.CDC`; raise Misconfigured if it is not a CdcSettings object."""
    value = settings.CDC
    if not isinstance(value, CdcSettings):
        raise Misconfigured(
            f"settings.CDC is {type(value).__name__}: set it to a CdcSettings object."
        )
    return value


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise Misconfigured(f"{name} is {value}: set it to {least} or more.")


def _name(name: str, value: str, pattern: re.Pattern[str], allowed: str) -> None:
    if not pattern.match(value):
        raise Misconfigured(f"{name} is {value!r}: use {allowed}.")


def _kafka_settings(config: Mapping[str, str]) -> None:
    for name in config:
        reasons = [reason for pattern, reason in _REFUSED_KAFKA_SETTINGS if pattern.match(name)]
        if name in _GUARANTEES:
            reasons.append("on which a guarantee of the pipeline depends: remove it")
        if reasons:
            raise Misconfigured(f"KAFKA_CONFIG sets {name!r}, {reasons[0]}.")


def _collections(cdc: CdcSettings) -> None:
    if not cdc.collections:
        raise Misconfigured("REPLICA_COLLECTIONS is empty: name at least one collection.")
    own = {
        "history": cdc.history_collection,
        "positions": cdc.positions_collection,
        "canary": cdc.canary_collection,
    }
    named = [("REPLICA_COLLECTIONS", name) for name in cdc.collections]
    for setting, name in (*named, *((f"{kind}_collection", name) for kind, name in own.items())):
        _name(setting, name, COLLECTION_NAME, "letters, digits, '_', '.' and '-'")
    if len(set(cdc.collections)) != len(cdc.collections):
        raise Misconfigured(
            f"REPLICA_COLLECTIONS is {','.join(cdc.collections)!r}: name each collection once."
        )
    own |= {"columns": cdc.columns_collection, "instance names": cdc.instances_collection}
    for kind, name in own.items():
        if name in cdc.collections:
            raise Misconfigured(
                f"REPLICA_COLLECTIONS has {name!r}, the collection of the {kind}: choose another "
                "name."
            )
