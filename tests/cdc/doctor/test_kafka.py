"""The examination of Kafka, on real brokers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic

from cdc.conf import CdcSettings
from cdc.doctor import kafka as doctor
from cdc.doctor.check import Check, Level, refuse
from cdc.doctor.kafka import GROUP, READ, WRITE, check_kafka, judge_topic
from cdc.errors import Misconfigured, Retryable
from cdc.kafka.cluster import TopicState
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.retention import Retention
from cdc.kafka.topics import Topics, topic_config
from cdc.wire.records import Outgoing
from tests.support.commands import retried, wait_until
from tests.support.kafka import USER, OwnKafka, RestrictedKafka, running
from tests.support.tls import certificate, tls_server

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def one_topic(feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examine only the test's own topic."""
    monkeypatch.setattr(doctor, "all_topics", lambda: {feed_settings.topic: 0})


def create(
    settings: CdcSettings, partitions: int = 5, changes: Mapping[str, str] | None = None
) -> None:
    config = {**topic_config(settings), **(changes or {})}
    new = NewTopic(settings.topic, partitions, 1, config=config)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    admin.create_topics([new])[settings.topic].result(60)
    wait_until(lambda: bool(Topics(settings).partitions(settings.topic)), "the topic")


def problems(settings: CdcSettings) -> dict[str, Check]:
    found = retried(lambda: list(check_kafka(settings)))
    return {check.id: check for check in found if check.level is not Level.OK}


def levels(found: dict[str, Check]) -> dict[str, Level]:
    return {name: check.level for name, check in found.items()}


def topic_names(servers: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": servers}).list_topics(timeout=60).topics)


def test_a_topic_that_the_pipeline_created_passes(feed_settings: CdcSettings) -> None:
    retried(lambda: Topics(feed_settings).ensure(feed_settings.topic))
    wait_until(lambda: problems(feed_settings) == {}, "a topic without problems")


def test_a_missing_topic_is_a_warning_and_stays_missing(feed_settings: CdcSettings) -> None:
    assert levels(problems(feed_settings)) == {"kafka.topic": Level.WARNING}
    assert feed_settings.topic not in topic_names(feed_settings.bootstrap_servers)


def test_more_replicas_than_brokers_are_refused(feed_settings: CdcSettings) -> None:
    found = problems(replace(feed_settings, replication_factor=3))
    with pytest.raises(Misconfigured, match=r"only 1 broker.*correct KAFKA_REPLICATION_FACTOR"):
        refuse(found.values())


def test_another_number_of_partitions_is_a_warning(feed_settings: CdcSettings) -> None:
    create(feed_settings, partitions=3)
    found = problems(feed_settings)
    assert levels(found) == {"kafka.partitions": Level.WARNING}
    assert " is 3, not 5" in found["kafka.partitions"].text


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"cleanup.policy": "delete"},
            {"kafka.cleanup_policy": Level.WRONG},
        ),
        (
            {"cleanup.policy": "compact,delete", "retention.ms": "604800000"},
            {"kafka.cleanup_policy": Level.WARNING},
        ),
        (
            {"cleanup.policy": "delete", "retention.ms": "3600000"},
            {"kafka.cleanup_policy": Level.WRONG, "kafka.retention": Level.WRONG},
        ),
        (
            {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "1000000"},
            {"kafka.cleanup_policy": Level.WRONG, "kafka.retention": Level.WARNING},
        ),
        ({"max.message.bytes": "500000"}, {"kafka.max_message_bytes": Level.WRONG}),
        ({"min.insync.replicas": "2"}, {"kafka.min_insync_replicas": Level.WRONG}),
        (
            {"unclean.leader.election.enable": "true"},
            {"kafka.unclean_leader_election": Level.WARNING},
        ),
        ({"message.timestamp.type": "LogAppendTime"}, {"kafka.timestamps": Level.WARNING}),
        ({"retention.ms": "1000", "retention.bytes": "10000"}, {}),
    ],
)
def test_the_settings_of_a_topic_are_examined(
    feed_settings: CdcSettings, config: dict[str, str], expected: dict[str, Level]
) -> None:
    create(feed_settings, changes=config)
    found = problems(feed_settings)
    assert levels(found) == expected
    assert all(feed_settings.topic in check.sentence for check in found.values())


def test_a_topic_on_one_disk_of_a_cluster_is_a_warning(feed_settings: CdcSettings) -> None:
    config = {**topic_config(feed_settings), "min.insync.replicas": "1"}
    state = TopicState(partitions=5, replicas=1, config=config, may_read=True, may_write=True)
    (check,) = judge_topic("orders", state, 5, 3, feed_settings)
    assert (check.id, check.level) == ("kafka.replicas", Level.WARNING)
    assert "partitions to 3 replicas, and set KAFKA_REPLICATION_FACTOR to 3" in check.remedy
    (check,) = judge_topic("orders", state, 5, 2, feed_settings)
    assert "partitions to 2 replicas, and set KAFKA_REPLICATION_FACTOR to 2" in check.remedy
    assert list(judge_topic("orders", replace(state, replicas=2), 5, 3, feed_settings)) == []
    (check,) = judge_topic("orders", replace(state, replicas=3), 5, 3, feed_settings)
    assert (check.id, check.level) == ("kafka.min_insync_replicas", Level.WARNING)


def test_unreachable_brokers_are_not_refused(
    feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.kafka.refusals.REQUEST_SECONDS", 0.5)
    with pytest.raises(Retryable, match="Kafka could not describe"):
        list(check_kafka(replace(feed_settings, bootstrap_servers="127.0.0.1:1")))


@pytest.fixture
def creating(tmp_path: Path, feed_settings: CdcSettings) -> Iterator[CdcSettings]:
    """Yield the settings of a broker that creates topics when a client asks for metadata."""
    with running(OwnKafka(tmp_path / "kafka", "auto.create.topics.enable=true\n")) as kafka:
        yield replace(feed_settings, bootstrap_servers=kafka.address)


def test_no_client_makes_the_broker_create_a_topic(creating: CdcSettings) -> None:
    topics = Topics(creating)
    assert topics.partitions(creating.topic) == ()
    assert not topics.exists(creating.topic)
    assert levels(problems(creating)) == {"kafka.topic": Level.WARNING}
    assert creating.topic not in topic_names(creating.bootstrap_servers)
    publisher = KafkaPublisher(creating)
    record = Outgoing(
        topic=creating.topic, key=b"1", value=b"{}", headers=(), timestamp_ms=1_764_000_000_000
    )
    # The publisher creates the topic itself, with its settings, and then raises Retryable.
    retried(lambda: publisher.publish([record], lambda: True))
    publisher.close()
    wait_until(lambda: problems(creating) == {}, "a topic with the pipeline's settings")


class Rights:
    """The rights of the restricted broker's user."""

    def __init__(self, kafka: RestrictedKafka) -> None:
        self._admin = AdminClient({"bootstrap.servers": kafka.address})

    def grant(self, kind: ResourceType, name: str, operations: Sequence[AclOperation]) -> None:
        rules = [
            AclBinding(
                kind,
                name,
                ResourcePatternType.LITERAL,
                f"User:{USER}",
                "*",
                operation,
                AclPermissionType.ALLOW,
            )
            for operation in operations
        ]
        for answer in self._admin.create_acls(rules).values():
            answer.result(60)


@pytest.fixture(scope="module")
def restricted_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestrictedKafka]:
    kafka = RestrictedKafka(tmp_path_factory.mktemp("restricted"))
    with running(kafka):
        yield kafka


@pytest.fixture
def restricted(
    restricted_kafka: RestrictedKafka, feed_settings: CdcSettings
) -> tuple[CdcSettings, RestrictedKafka]:
    """Return the settings of a user without rights, and the broker."""
    settings = replace(
        feed_settings,
        bootstrap_servers=f"127.0.0.1:{restricted_kafka.client_port}",
        kafka_config=restricted_kafka.client_config,
    )
    return settings, restricted_kafka


READS_AND_WRITES = (AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE)


def test_a_client_that_must_not_create_uses_a_topic_that_exists(
    restricted: tuple[CdcSettings, RestrictedKafka],
) -> None:
    settings, kafka = restricted
    create(replace(settings, bootstrap_servers=kafka.address, kafka_config={}))
    Rights(kafka).grant(ResourceType.TOPIC, settings.topic, READS_AND_WRITES)
    Rights(kafka).grant(ResourceType.GROUP, settings.group, [AclOperation.READ])

    retried(lambda: Topics(settings).ensure(settings.topic))
    wait_until(
        lambda: levels(problems(settings)) == {"kafka.topic_config": Level.WARNING},
        "a topic whose settings this client may not read",
    )
    assert Retention(settings).seconds(settings.topic) is None

    Rights(kafka).grant(ResourceType.TOPIC, settings.topic, [AclOperation.DESCRIBE_CONFIGS])
    wait_until(lambda: problems(settings) == {}, "a topic without problems")
    days = settings.delete_marker_days
    assert Retention(settings).seconds(settings.topic) == days * 86_400


def test_a_client_that_must_not_create_is_refused_if_the_topic_is_missing(
    restricted: tuple[CdcSettings, RestrictedKafka],
) -> None:
    settings, kafka = restricted
    Rights(kafka).grant(ResourceType.TOPIC, settings.topic, READS_AND_WRITES)
    wait_until(lambda: "would not create it" in str(problems(settings)), "the missing topic")
    with pytest.raises(Misconfigured, match=r"does not exist.*Authorization failed.*create the"):
        refuse(problems(settings).values())


def test_a_client_without_rights_is_refused(
    restricted: tuple[CdcSettings, RestrictedKafka],
) -> None:
    settings, kafka = restricted
    create(replace(settings, bootstrap_servers=kafka.address, kafka_config={}))
    with pytest.raises(Misconfigured, match=r"may not use the topic .*grant Describe"):
        refuse(problems(settings).values())
    Rights(kafka).grant(ResourceType.TOPIC, settings.topic, [AclOperation.READ])
    wait_until(lambda: "the right Write" in str(problems(settings)), "the right to read")
    refuse(check_kafka(settings, (READ,)))
    with pytest.raises(Misconfigured, match=r"does not have the right Write on the topic"):
        refuse(check_kafka(settings, (READ, WRITE)))


@pytest.mark.parametrize("granted", [[], [AclOperation.DESCRIBE]], ids=["nothing", "describe"])
def test_a_consumer_that_must_not_use_its_group_is_refused(
    restricted: tuple[CdcSettings, RestrictedKafka], granted: list[AclOperation]
) -> None:
    settings, kafka = restricted
    create(replace(settings, bootstrap_servers=kafka.address, kafka_config={}))
    Rights(kafka).grant(ResourceType.TOPIC, settings.topic, READS_AND_WRITES)
    if granted:
        Rights(kafka).grant(ResourceType.GROUP, settings.group, granted)
    wait_until(
        lambda: set(problems(settings)) == {"kafka.topic_config", "kafka.group"}, "the rights"
    )
    refuse(problems(settings).values())  # the doctor alone does not know which daemon will run
    refuse(check_kafka(settings, (READ, WRITE)))
    with pytest.raises(Misconfigured, match=r"the right Read on the consumer group .*: grant"):
        refuse(retried(lambda: list(check_kafka(settings, (READ, GROUP)))))
    Rights(kafka).grant(ResourceType.GROUP, settings.group, [AclOperation.READ])
    wait_until(lambda: "kafka.group" not in problems(settings), "the right to read")
    refuse(check_kafka(settings, (READ, GROUP)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sasl.password": "wrong"}, "Invalid username or password"),
        ({"sasl.username": "stranger"}, "Invalid username or password"),
        ({"sasl.mechanism": "SCRAM-SHA-256"}, "Unsupported SASL mechanism"),
    ],
    ids=str,
)
def test_a_refused_login_is_not_an_outage(
    restricted: tuple[CdcSettings, RestrictedKafka], change: dict[str, str], reason: str
) -> None:
    settings, kafka = restricted
    wrong = replace(settings, kafka_config={**kafka.client_config, **change})
    (check,) = problems(wrong).values()
    assert (check.id, check.level) == ("kafka.login", Level.WRONG)
    assert check.sentence.startswith("Kafka refuses the login (")
    assert reason in check.sentence
    with pytest.raises(Misconfigured, match=r"correct the sasl\.\* settings in KAFKA_CONFIG"):
        refuse([check])


def test_encryption_on_a_plain_port_is_named(
    restricted: tuple[CdcSettings, RestrictedKafka],
) -> None:
    settings, kafka = restricted
    config = {**kafka.client_config, "security.protocol": "SASL_SSL"}
    with pytest.raises(Retryable, match=r"Kafka does not use TLS on 127\.0\.0\.1:\d+: name a"):
        list(check_kafka(replace(settings, kafka_config=config)))


@pytest.mark.parametrize(
    ("server", "authority", "host", "reason"),
    [
        ("expired", "authority", "127.0.0.1", "certificate has expired"),
        ("valid", "stranger", "127.0.0.1", "self.signed certificate in certificate chain"),
        ("valid", "authority", "127.0.0.2", "IP address mismatch.*"),
    ],
)
def test_a_refused_certificate_is_named_with_its_reason(
    feed_settings: CdcSettings, server: str, authority: str, host: str, reason: str
) -> None:
    with tls_server(server, host) as address:
        config = {"security.protocol": "SSL", "ssl.ca.location": certificate(authority)}
        settings = replace(feed_settings, bootstrap_servers=address, kafka_config=config)
        with pytest.raises(
            Retryable, match=rf"Kafka's certificate is refused \({address}: {reason}\): renew"
        ):
            list(check_kafka(settings))
