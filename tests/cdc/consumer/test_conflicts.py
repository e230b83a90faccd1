"""Temporary and permanent conflicts in unique indexes of the replica."""

from contextlib import suppress
from zlib import crc32

import pytest

from cdc.consumer import consumer
from cdc.consumer.conflicts import ATTEMPTS, Conflicts, index_of
from cdc.errors import Retryable
from cdc.mongo.plan import Conflict, Delivered
from cdc.wire.event import Version
from cdc.wire.records import Outgoing, Record
from tests.cdc.consumer.test_consumer import TOPIC, Feed, run
from tests.support.builders import COLLECTIONS, SOURCE, change, delivered, outgoing

pytestmark = pytest.mark.slow


def partition(record: Outgoing) -> int:
    return crc32(record.key) % 5


def sent(op: str, key: int, outbox_id: int, title: str) -> Outgoing:
    return outgoing(change(op, key, outbox_id, title=title), TOPIC)


# Stories 1 and 2 are in different partitions. Story BESIDE is in the partition of story 2.
BESIDE = next(
    key
    for key in range(3, 100)
    if partition(sent("c", key, 1, "")) == partition(sent("c", 2, 1, ""))
)


def unique_feed() -> Feed:
    feed = Feed()
    feed.store.unique = dict.fromkeys(COLLECTIONS[1:], "title")
    assert partition(sent("c", 1, 1, "")) != partition(sent("c", 2, 1, ""))
    feed.send(sent("c", 1, 1, "a"))
    feed.drain()
    return feed


def attempts(feed: Feed, number: int) -> None:
    for _ in range(number):
        with suppress(Retryable):
            feed.consumer.run_once()


def test_a_value_is_handed_over_before_its_first_row_gives_it_up() -> None:
    feed = unique_feed()
    feed.send(sent("c", 2, 3, "a"), sent("c", BESIDE, 4, "beside"))
    attempts(feed, ATTEMPTS)
    assert feed.titles() == {1: "a"}

    feed.send(sent("d", 1, 2, "a"))
    run(feed)

    assert feed.titles() == {2: "a", BESIDE: "beside"}
    assert not feed.letters.kept


def test_a_conflict_holds_no_other_partition_up() -> None:
    feed = unique_feed()
    feed.send(sent("c", 2, 3, "a"), sent("u", 1, 4, "a"), sent("u", 1, 5, "a"))

    attempts(feed, 1)

    assert feed.store.collection(COLLECTIONS[0])[1]["_version"] == 5
    assert 2 not in feed.titles()


def test_two_rows_swap_a_value_from_two_partitions() -> None:
    feed = unique_feed()
    feed.send(sent("c", 2, 2, "b"))
    feed.drain()

    feed.send(sent("u", 1, 3, "x"), sent("u", 2, 4, "a"), sent("u", 1, 5, "b"))
    run(feed)

    assert feed.titles() == {1: "b", 2: "a"}
    assert not feed.letters.kept


def test_a_lasting_conflict_is_one_dead_letter_with_the_name_of_the_index() -> None:
    feed = unique_feed()
    feed.send(sent("c", 2, 3, "a"), sent("c", BESIDE, 4, "beside"), sent("u", 1, 5, "a"))

    run(feed, ATTEMPTS * 2 + 2)

    assert feed.titles() == {1: "a", BESIDE: "beside"}
    assert list(feed.letters.kept.values()) == [
        "The unique index title_1 of stories_story_1 refuses the document."
    ]


def test_other_traffic_does_not_prolong_a_lasting_conflict() -> None:
    feed = unique_feed()
    feed.send(sent("c", 2, 3, "a"))
    for number in range(ATTEMPTS + 1):
        feed.send(sent("u", 1, 10 + number, "a"))
        attempts(feed, 2)

    assert len(feed.letters.kept) == 1


def test_an_attempt_counts_a_tenth_while_more_records_wait_in_kafka(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumer, "RECORDS", 2)
    feed = unique_feed()
    feed.send(sent("c", 2, 3, "a"), sent("c", BESIDE, 4, "beside"))
    for _ in range(ATTEMPTS * 2):
        feed.send(sent("u", 1, 10, "a"))
        attempts(feed, 2)
    feed.send(sent("d", 1, 11, "a"))
    run(feed)

    assert feed.titles() == {2: "a", BESIDE: "beside"}
    assert not feed.letters.kept


@pytest.mark.parametrize("records", [1, 2, 5])
def test_many_records_behind_a_lasting_conflict_do_not_wait_forever(
    monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    """Every poll is full of records from the partition of the refused record."""
    monkeypatch.setattr(consumer, "RECORDS", records)
    feed = unique_feed()
    feed.consumer._size.records = records
    feed.send(sent("c", 2, 3, "a"))
    feed.send(*(sent("u", BESIDE, number, f"beside {number}") for number in range(4, 10)))

    attempts(feed, 2 * ATTEMPTS * 10 + 60)

    assert feed.titles() == {1: "a", BESIDE: "beside 9"}
    assert len(feed.letters.kept) == 1


def test_two_lasting_conflicts_of_one_partition_are_two_dead_letters() -> None:
    feed = unique_feed()
    feed.send(sent("c", 2, 3, "a"), sent("c", BESIDE, 4, "a"), sent("u", 2, 5, "fine"))

    run(feed, ATTEMPTS * 4 + 2)

    assert feed.titles() == {1: "a", 2: "fine"}
    assert len(feed.letters.kept) == 2


def conflict(outbox_id: int) -> Conflict:
    return Conflict(f"The index refuses {outbox_id}.", Version(1, outbox_id))


def test_a_conflict_lasts_from_its_fiftieth_counted_attempt_on() -> None:
    conflicts = Conflicts()
    for _ in range(ATTEMPTS - 1):
        assert not conflicts.lasts(conflict(5), counts=True)
        assert not any(conflicts.lasts(conflict(6), counts=False) for _ in range(10))

    assert not any(conflicts.lasts(conflict(6), counts=False) for _ in range(9))
    assert conflicts.lasts(conflict(5), counts=True)
    assert conflicts.lasts(conflict(5), counts=True)
    assert conflicts.lasts(conflict(6), counts=False)


def test_the_attempts_of_an_applied_change_are_forgotten() -> None:
    conflicts = Conflicts()
    conflicts.settle([delivered(change("c", 5, 5))])
    for _ in range(ATTEMPTS - 1):
        conflicts.lasts(conflict(5), counts=True)
        conflicts.lasts(conflict(6), counts=True)

    conflicts.settle([delivered(change("c", key, key)) for key in (4, 5)])

    assert not conflicts.lasts(conflict(5), counts=True)
    assert conflicts.lasts(conflict(6), counts=True)


def test_the_refused_record_is_found_among_the_decoded_ones() -> None:
    record = Record(source=SOURCE, offset=0, key=None, value=None)
    items: list[Delivered | None] = [None, *(delivered(change("c", key, key)) for key in (4, 5))]
    decoded = [(record, item) for item in items]

    assert [index_of(conflict(number), decoded) for number in (4, 5)] == [1, 2]
    missing = conflict(6)
    with pytest.raises(Conflict) as caught:
        index_of(missing, decoded)
    assert caught.value is missing


@pytest.mark.parametrize("records", [1, 1000])
def test_three_rows_pass_their_values_round(monkeypatch: pytest.MonkeyPatch, records: int) -> None:
    monkeypatch.setattr(consumer, "RECORDS", records)
    feed = unique_feed()
    feed.send(sent("c", 2, 2, "b"), sent("c", BESIDE, 3, "c"))
    run(feed)
    # As after compaction, which has removed the values that the rows had in between.
    feed.send(sent("u", 1, 4, "b"), sent("u", 2, 5, "c"), sent("u", BESIDE, 6, "a"))
    run(feed, ATTEMPTS)

    assert feed.titles() == {1: "b", 2: "c", BESIDE: "a"}
    assert not feed.letters.kept
