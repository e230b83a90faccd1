"""Examines the brokers and the topics. Nothing is created or changed."""

from collections.abc import Collection, Iterator, Mapping

from cdc.conf import CdcSettings
from cdc.doctor.check import Check, ok, warning, wrong
from cdc.kafka.client import ENVELOPE_ROOM
from cdc.kafka.cluster import Cluster, TopicState
from cdc.kafka.groups import Groups
from cdc.kafka.refusals import Refusal
from cdc.registry import all_topics

_DAY_MS = 86_400_000
READ, WRITE = "Read", "Write"
GROUP = "Group"
"""The right that consumers need to join their group."""


def check_kafka(settings: CdcSettings, needs: Collection[str] = ()) -> Iterator[Check]:
    """Yield the checks of Kafka; raise Retryable if Kafka does not respond.

    `needs` are the rights without which a daemon does not start.
    """
    cluster = Cluster(settings)
    brokers = cluster.brokers()
    if isinstance(brokers, Refusal):
        yield wrong("kafka.login", brokers.sentence, brokers.remedy, stops=True)
        return
    yield ok("kafka.reachable", f"Kafka responds with {brokers} broker{'s' * (brokers != 1)}")
    for name, partitions in all_topics().items():
        wanted = partitions or settings.partitions
        found = cluster.topic(name)
        if found is None:
            refusal = cluster.refusal(name, wanted)
            # A daemon creates missing topics after this check.
            yield from [] if needs and not refusal else [_missing(name, refusal)]
        elif isinstance(found, str):
            yield _hidden(name, found)
        else:
            rights = [*_rights(name, found, needs)]
            problems = [*rights, *judge_topic(name, found, wanted, brokers, settings)]
            yield from problems or [ok("kafka.topic", f"The topic {name} is as required")]
    if GROUP in needs or not needs:
        yield _group(Groups(settings), settings.group, stops=bool(needs))


def judge_topic(
    name: str, found: TopicState, wanted: int, brokers: int, settings: CdcSettings
) -> Iterator[Check]:
    """Yield the problems of a topic that exists."""
    if found.partitions != wanted:
        yield warning(
            "kafka.partitions",
            f"The number of partitions of the topic {name} is {found.partitions}, not {wanted}",
            "set KAFKA_PARTITIONS to the number that the topic has, or wait until the consumers "
            "have applied all messages and then add partitions",
        )
    if found.replicas == 1 and brokers > 1:
        yield warning(
            "kafka.replicas",
            f"The topic {name} has one replica on a cluster of {brokers} brokers, so messages "
            "are lost if a disk fails",
            f"reassign its partitions to {min(brokers, 3)} replicas, and set "
            f"KAFKA_REPLICATION_FACTOR to {min(brokers, 3)}",
        )
    if not found.config:
        yield warning(
            "kafka.topic_config",
            f"This client may not read the settings of the topic {name}",
            "grant DescribeConfigs on the topic, so that its settings can be examined",
        )
    else:
        yield from _config(name, found, settings)


def _group(groups: Groups, name: str, *, stops: bool) -> Check:
    if groups.may_read(name):
        return ok("kafka.group", f"This client may use the consumer group {name}")
    return wrong(
        "kafka.group",
        f"This client does not have the right Read on the consumer group {name}",
        "grant Read on the group; a client that is used only by relays does not need it",
        stops=stops,
    )


def _missing(name: str, refusal: str) -> Check:
    if refusal:
        return wrong(
            "kafka.topic",
            f"The topic {name} does not exist, and Kafka would not create it ({refusal})",
            "create the topic with cleanup.policy=compact, or correct KAFKA_REPLICATION_FACTOR "
            "and the rights of this client",
            stops=True,
        )
    return warning(
        "kafka.topic", f"The topic {name} does not exist", "start a relay, which creates it"
    )


def _hidden(name: str, reason: str) -> Check:
    return wrong(
        "kafka.rights",
        f"This client may not use the topic {name} ({reason})",
        "grant Describe, Read and Write on the topic",
        stops=True,
    )


def _rights(name: str, found: TopicState, needs: Collection[str]) -> Iterator[Check]:
    granted = {READ: found.may_read, WRITE: found.may_write}
    lacking = [right for right, held in granted.items() if not held]
    if lacking:
        noun = "right" if len(lacking) == 1 else "rights"
        yield wrong(
            "kafka.rights",
            f"This client does not have the {noun} {' and '.join(lacking)} on the topic {name}",
            "grant Describe, Read and Write on the topic; a client that only consumers use needs "
            "no right to write",
            stops=not set(needs).isdisjoint(lacking),
        )


def _config(name: str, found: TopicState, settings: CdcSettings) -> Iterator[Check]:
    config = found.config
    yield from _retention(name, config, settings)
    largest = settings.max_event_bytes + ENVELOPE_ROOM
    if int(config["max.message.bytes"]) < largest:
        yield wrong(
            "kafka.max_message_bytes",
            f"The topic {name} has max.message.bytes={config['max.message.bytes']}, but an event "
            f"may have {largest} bytes with MAX_EVENT_BYTES={settings.max_event_bytes}, so the "
            "largest events would become dead letters",
            f"set max.message.bytes to {largest} or more, or reduce MAX_EVENT_BYTES",
        )
    yield from _insync(name, int(config["min.insync.replicas"]), found.replicas)
    if config.get("unclean.leader.election.enable") == "true":
        yield warning(
            "kafka.unclean_leader_election",
            f"The topic {name} has unclean.leader.election.enable=true, so Kafka may lose "
            "messages that it has acknowledged",
            "set it to false",
        )
    if config.get("message.timestamp.type", "CreateTime") != "CreateTime":
        yield warning(
            "kafka.timestamps",
            f"The topic {name} has message.timestamp.type={config['message.timestamp.type']}, so "
            "messages do not carry the time of their change",
            "set it to CreateTime",
        )


def _insync(name: str, insync: int, replicas: int) -> Iterator[Check]:
    if insync > replicas:
        yield wrong(
            "kafka.min_insync_replicas",
            f"The topic {name} has min.insync.replicas={insync} but a replication factor of "
            f"{replicas}, so Kafka accepts no messages",
            f"set min.insync.replicas to {max(replicas - 1, 1)}",
            stops=True,
        )
    elif insync == 1 and replicas > 2:  # noqa: PLR2004 -- with two, no write survives an outage
        yield warning(
            "kafka.min_insync_replicas",
            f"The topic {name} has min.insync.replicas=1, so Kafka may acknowledge a message "
            "that is on only one disk",
            "set min.insync.replicas to 2",
        )


def _retention(name: str, config: Mapping[str, str], settings: CdcSettings) -> Iterator[Check]:
    policies = {part.strip() for part in config["cleanup.policy"].split(",")}
    if "compact" not in policies:
        yield wrong(
            "kafka.cleanup_policy",
            f"The topic {name} has cleanup.policy={config['cleanup.policy']}, so Kafka deletes the "
            "last message of a row",
            "set cleanup.policy to compact",
        )
    elif "delete" in policies:
        yield warning(
            "kafka.cleanup_policy",
            f"The topic {name} has cleanup.policy={config['cleanup.policy']}, so Kafka deletes the "
            "last message of a row after the retention time",
            "set cleanup.policy to compact",
        )
    if "delete" in policies and int(config["retention.bytes"]) > 0:
        yield warning(
            "kafka.retention",
            f"The topic {name} has retention.bytes={config['retention.bytes']}, so Kafka may "
            "delete messages that no consumer has applied yet",
            "set retention.bytes to -1",
        )
    outage = settings.delete_marker_days * _DAY_MS
    if "delete" in policies and 0 <= int(config["retention.ms"]) < outage:
        yield wrong(
            "kafka.retention",
            f"The topic {name} has retention.ms={config['retention.ms']}, so a consumer that is "
            f"offline for DELETE_MARKER_DAYS={settings.delete_marker_days} days loses changes",
            f"set retention.ms to {outage} or more",
        )
