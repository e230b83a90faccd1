"""The lag of partitions, while Kafka does not return every record."""

from types import SimpleNamespace
from typing import Any

import pytest

from cdc.errors import Retryable
from cdc.kafka.retention import Retention
from cdc.kafka.topics import Topics
from cdc.kafka.watermarks import Watermarks
from cdc.mongo.positions import StoredOffset
from cdc.registry import registry
from cdc.status.facts import PartitionLag
from cdc.status.findings import State
from cdc.status.lags import Lags
from cdc.wire.records import TopicPartition
from tests.support.feed_settings import without_servers
from tests.support.status import healthy_status

P0, P1 = TopicPartition("story-events", 0), TopicPartition("story-events", 1)


class Kafka:
    """A topic in memory with the time of each record by partition. Reads of records may fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.queued_seconds = 0.0
        """The age of the oldest row of the outbox."""
        self.records: dict[TopicPartition, list[float]] = {P0: [], P1: []}
        self.returns_records = True
        self.reads = 0
        self.topic_id = "new"
        self.partitions: tuple[int, ...] = (0, 1)
        self.problems: list[str] = []
        away = "127.0.0.1:1"
        settings = without_servers(bootstrap_servers=away, mongodb_uri=f"mongodb://{away}/")
        for owner, name, function in (
            (Topics, "partitions", lambda *_: self.partitions),
            (Topics, "topic_id", lambda *_: self.topic_id),
            (Retention, "seconds", lambda *_: 86_400.0),
            (Watermarks, "of", lambda _, source: (0, len(self.records.get(source, ())))),
            (Watermarks, "timestamp_ms", self._timestamp_ms),
        ):
            monkeypatch.setattr(owner, name, function)
        monkeypatch.setattr("cdc.status.ages.time", SimpleNamespace(time=lambda: self.now))
        capture: Any = SimpleNamespace(topic="story-events")
        self.lags = Lags(settings, [capture])

    def publish(self, source: TopicPartition = P0, ahead: float = 0.0) -> None:
        """Publish a record of a host whose clock is ahead."""
        self.records[source].append(self.now + ahead)

    def read(self, position: int, after: float = 0.0, topic_id: str | None = "new") -> PartitionLag:
        """Return the lag of the first partition, `after` seconds from now."""
        self.now += after
        self.problems.clear()
        positions = {P0: StoredOffset(next_offset=position, topic_id=topic_id)}
        since_ms = round((self.now - self.queued_seconds) * 1000)
        found = self.lags.read(positions, lambda error: self.problems.append(str(error)), since_ms)
        return found[0]

    def _timestamp_ms(self, source: TopicPartition, offset: int) -> int:
        self.reads += 1
        if not self.returns_records:
            raise Retryable("Kafka could not return a record.")
        return round(self.records[source][offset] * 1000)


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    return Kafka(monkeypatch)


def test_an_unknown_age_is_a_problem(kafka: Kafka) -> None:
    """The consumers may be dead: unapplied records of an unknown age are not healthy."""
    kafka.publish()
    kafka.returns_records = False

    lag = kafka.read(0, after=7_200.0)

    assert (lag.records, lag.seconds) == (1, None)
    assert (lag.seconds_to_loss, lag.seconds_to_marker_expiry) == (None, None)
    assert kafka.problems == ["Kafka could not return a record."]
    status = healthy_status(
        lags=(lag,), problems=tuple(kafka.problems), unreachable=("Kafka",), consumers=0
    )
    assert not status.healthy
    assert status.verdict.startswith("Kafka is not responding. 1 change queued, none lost. Run")


@pytest.mark.parametrize(("committed", "waiting"), [(1, 1), (2, 0), (7, 2), (None, 2)])
def test_records_are_counted_from_the_committed_offset(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch, committed: int | None, waiting: int
) -> None:
    """An offset after the end is one of a deleted topic: all records of the new topic wait."""
    offsets = {} if committed is None else {P0: committed}
    monkeypatch.setattr(Watermarks, "committed", lambda *_: offsets)
    kafka.publish()
    kafka.publish()
    assert kafka.lags.after_commits() == waiting


def test_one_failure_does_not_change_the_verdict(kafka: Kafka) -> None:
    kafka.publish()
    assert kafka.read(0, after=2.0).seconds == 2.0
    kafka.returns_records = False
    assert kafka.read(0, after=1.0).seconds == 3.0
    assert not kafka.problems


def test_the_age_of_a_record_grows_while_it_cannot_be_read(kafka: Kafka) -> None:
    kafka.publish()
    kafka.read(0)
    kafka.returns_records = False
    for seconds in range(1, 60):
        lag = kafka.read(0, after=1.0)
        assert lag.seconds == seconds
    status = healthy_status(lags=(lag,), consumers=0)
    assert not status.healthy
    assert "1 record in Kafka, the oldest for 59.0 s, and no consumer" in status.verdict


@pytest.mark.parametrize("applied", [0, 1])
def test_a_record_is_newer_than_a_reading_that_ended_before_it(kafka: Kafka, applied: int) -> None:
    for _ in range(applied):
        kafka.publish()
    kafka.read(applied)
    kafka.returns_records = False
    kafka.now += 60.0
    kafka.publish()
    assert kafka.read(applied, after=1.0).seconds == 61.0
    for number in range(applied + 1, 9):
        kafka.publish()
        lag = kafka.read(number, after=2.0)
        assert lag.seconds == 2.0, "the consumer has applied all records of the last reading"
        assert not kafka.problems


def test_a_record_before_the_last_position_has_an_unknown_age(kafka: Kafka) -> None:
    """A rewind has moved the position back."""
    for _ in range(3):
        kafka.publish()
    kafka.read(2)
    kafka.returns_records = False
    assert kafka.read(1).seconds is None
    assert kafka.problems


def test_a_silent_kafka_is_asked_for_one_record(kafka: Kafka) -> None:
    """Each read may wait for a timeout."""
    kafka.publish(P0)
    kafka.publish(P1)
    kafka.returns_records = False
    kafka.read(0)
    assert kafka.reads == 1
    assert len(kafka.problems) == 1
    kafka.returns_records = True
    assert kafka.read(0, after=4.0).seconds == 4.0
    assert kafka.reads == 3


@pytest.mark.parametrize(
    ("consumers", "remedy"),
    [
        (0, "start `manage.py consume_and_save_to_mongodb`, then run"),
        (1, "check the logs of the consumers, then run"),
    ],
)
def test_a_position_in_a_deleted_topic_is_none_in_the_new_topic(
    kafka: Kafka, consumers: int, remedy: str
) -> None:
    """The new topic has grown exactly to the position in the old one."""
    for _ in range(5):
        kafka.publish()

    lag = kafka.read(5, after=2.0, topic_id="old")

    assert (lag.records, lag.seconds, lag.recreated, lag.lost) == (5, 2.0, True, True)
    status = healthy_status(lags=(lag,), consumers=consumers)
    assert not status.healthy
    assert status.state is State.RECORDS_LOST
    assert status.verdict.startswith(
        "The topic story-events was deleted and created again, and the consumers have not noticed "
        f"the new topic yet: {remedy} `manage.py reconcile --repair`."
    )


@pytest.mark.parametrize("topic_id", ["new", None])
def test_a_position_in_the_topic_counts(kafka: Kafka, topic_id: str | None) -> None:
    kafka.publish()
    lag = kafka.read(1, topic_id=topic_id)
    assert (lag.records, lag.recreated, lag.lost) == (0, False, False)


def test_a_position_after_the_end_is_lost(kafka: Kafka) -> None:
    kafka.publish()
    lag = kafka.read(2)
    assert (lag.records, lag.recreated, lag.lost) == (1, False, True)
    assert healthy_status(lags=(lag,)).verdict.startswith("A gap in partition 0")


def test_a_topic_that_does_not_exist_has_no_lag_that_is_0(kafka: Kafka) -> None:
    """Unapplied changes were deleted with it, or the settings name another topic or cluster."""
    kafka.partitions = ()
    for other in (P0, TopicPartition("other", 0)):
        positions = {other: StoredOffset(next_offset=5)}
        assert kafka.lags.read(positions, lambda _: None, 0) == ()
        assert kafka.lags.missing == ("story-events",)

    status = healthy_status(lags=(), missing_topics=kafka.lags.missing)
    assert status.state is State.RECORDS_LOST
    kafka.partitions = (0, 1)
    kafka.read(0)
    assert kafka.lags.missing == ()


def test_the_unread_records_of_a_topic_that_no_model_uses_are_reported(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a change of KAFKA_TOPIC while the consumers were behind."""
    old = TopicPartition("old-events", 0)
    kafka.records[old] = [kafka.now]
    for stored, expected in (
        (StoredOffset(next_offset=0), ("old-events",)),
        (StoredOffset(next_offset=1), ()),
        (StoredOffset(next_offset=1, topic_id="deleted"), ("old-events",)),
    ):
        positions = {P0: StoredOffset(next_offset=0), old: stored}
        kafka.lags.read(positions, lambda _: None, 0)
        assert kafka.lags.abandoned == expected
    monkeypatch.setattr(Watermarks, "of", lambda *_: (1, 1))
    kafka.lags.read({old: StoredOffset(next_offset=0)}, lambda _: None, 0)
    assert kafka.lags.abandoned == (), "Kafka has removed the record"
    kafka.partitions = ()
    kafka.lags.read({old: StoredOffset(next_offset=0)}, lambda _: None, 0)
    assert kafka.lags.abandoned == (), "the topic was deleted"


def test_the_topic_of_the_canary_is_not_an_old_topic(kafka: Kafka) -> None:
    """Neither the present one nor that of an old topic."""
    (present,) = {capture.topic for capture in registry.all() if capture.internal}
    sources = [TopicPartition(name, 0) for name in (present, "old-events-canary")]
    kafka.records |= {source: [kafka.now] for source in sources}
    positions = {source: StoredOffset(next_offset=0) for source in sources}
    kafka.lags.read(
        {**positions, TopicPartition("old-events", 9): StoredOffset(next_offset=0)},
        lambda _: None,
        0,
    )
    assert kafka.lags.abandoned == ()


def test_an_old_topic_that_kafka_does_not_describe_is_no_outage(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    def described(_: Topics, name: str) -> tuple[int, ...]:
        if name == "old-events":
            raise Retryable("Kafka: TOPIC_AUTHORIZATION_FAILED")
        return (0, 1)

    old = TopicPartition("old-events", 0)
    positions = {old: StoredOffset(next_offset=0)}
    kafka.records[old] = [kafka.now]
    kafka.lags.read(positions, lambda _: None, 0)
    monkeypatch.setattr(Topics, "partitions", described)

    assert len(kafka.lags.read(positions, lambda _: None, 0)) == 2
    assert (kafka.lags.abandoned, kafka.problems) == (("old-events",), []), "the last answer"


def test_a_new_pipeline_needs_no_topic_yet(kafka: Kafka) -> None:
    kafka.partitions = ()
    assert kafka.lags.read({}, lambda _: None, 0) == ()
    assert kafka.lags.missing == ()


def test_the_first_event_of_a_new_model_may_be_yet_to_come(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    captures: Any = [SimpleNamespace(topic="story-events"), SimpleNamespace(topic="new-events")]
    away = "127.0.0.1:1"
    settings = without_servers(bootstrap_servers=away, mongodb_uri=f"mongodb://{away}/")
    lags = Lags(settings, captures)
    existing: dict[str, tuple[int, ...]] = {"story-events": (0, 1), "new-events": ()}
    monkeypatch.setattr(Topics, "partitions", lambda _, name: existing[name])
    positions = {P0: StoredOffset(next_offset=0)}

    assert len(lags.read(positions, lambda _: None, 0)) == 2
    assert not lags.missing
    existing["story-events"] = ()
    assert lags.read(positions, lambda _: None, 0) == ()
    assert lags.missing == ("story-events",)


def test_a_clock_that_is_ahead_hides_no_delay(kafka: Kafka) -> None:
    kafka.publish(ahead=600.0)
    assert kafka.read(0).seconds == 0.0
    assert kafka.read(0, after=4.0).seconds == 4.0
    kafka.publish(ahead=600.0)
    assert kafka.read(0, after=8.0).seconds == 12.0
    assert kafka.read(1, after=1.0).seconds == 1.0, "it was there at the last reading"
    assert kafka.read(2, after=1.0).seconds == 0.0


def test_a_clock_that_is_behind_delays_nothing(kafka: Kafka) -> None:
    kafka.read(0)
    for number in range(5):
        kafka.now += 1.0
        kafka.publish(ahead=-11.0)
        assert kafka.read(number, after=0.5).seconds == 1.5, "it is newer than the last reading"
    assert kafka.read(4, after=20.0).seconds == 21.5


def test_a_change_that_waited_for_the_relay_is_not_new(kafka: Kafka) -> None:
    """Otherwise, the status would be healthy although an old change is not applied."""
    kafka.queued_seconds = 600.0
    kafka.read(0)
    kafka.now += 1.0
    kafka.publish(ahead=-601.0)
    kafka.queued_seconds = 0.0
    assert kafka.read(0, after=1.0).seconds == 602.0
