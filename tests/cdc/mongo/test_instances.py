"""Which process of a group has an instance name, on a real mongod."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cdc.conf import CdcSettings
from cdc.mongo.client import database
from cdc.mongo.instances import Instances, Process, Sighting
from tests.support.commands import wait_until
from tests.support.mongodb import connected

pytestmark = pytest.mark.services

FIRST = Process(token="a", host="h", machine="m", pid=7, started="noon")
SECOND = replace(FIRST, token="b", pid=8)
THIRD = replace(FIRST, token="c", pid=9)


@pytest.fixture
def settings(feed_settings: CdcSettings) -> Iterator[CdcSettings]:
    yield feed_settings
    connected(feed_settings).drop_database(feed_settings.mongodb_database)


def instances(settings: CdcSettings, name: str = "one") -> Instances:
    return Instances(connected(settings), settings, name)


def holder(found: Instances) -> Process | None:
    seen = found.read()
    return seen.process if seen else None


def test_a_free_name_is_taken_once(settings: CdcSettings) -> None:
    name = instances(settings)
    assert name.read() is None

    assert name.take(FIRST, None)
    assert not name.take(SECOND, None)

    assert holder(instances(settings)) == FIRST


def test_a_name_passes_only_from_the_process_that_was_seen(settings: CdcSettings) -> None:
    name = instances(settings)
    assert name.take(FIRST, None)
    first = name.read()
    assert first is not None

    assert not name.take(THIRD, replace(first, process=SECOND))
    assert name.take(SECOND, first)
    assert not name.take(THIRD, first)

    assert holder(name) == SECOND


def test_a_process_keeps_its_name_after_a_heartbeat(settings: CdcSettings) -> None:
    """It may be late, for example because it was suspended for a few seconds."""
    name = instances(settings)
    assert name.take(FIRST, None)
    seen = name.read()
    assert seen is not None

    def is_later() -> bool:
        name.beat(FIRST)
        found = name.read()
        return found is not None and found.beat > seen.beat

    wait_until(is_later, "a later heartbeat")

    assert not name.take(SECOND, seen)

    assert holder(name) == FIRST


def test_no_name_is_created_for_a_process_that_was_seen_before(settings: CdcSettings) -> None:
    """MongoDB removes the document a day after the last heartbeat."""
    name = instances(settings)

    assert not name.take(SECOND, Sighting(process=FIRST, beat=datetime.now(UTC), seconds_ago=0.0))

    assert name.read() is None
    assert name.take(SECOND, None)


def test_a_released_name_is_free(settings: CdcSettings) -> None:
    name = instances(settings)
    assert name.take(FIRST, None)

    name.release(SECOND)
    assert holder(name) == FIRST
    name.release(FIRST)
    assert name.read() is None

    assert name.take(SECOND, None)
    assert holder(name) == SECOND


def test_each_group_and_each_name_has_its_own_process(settings: CdcSettings) -> None:
    names = [
        instances(settings),
        instances(settings, "two"),
        instances(replace(settings, group=f"{settings.group}-beside")),
    ]

    for name, process in zip(names, (FIRST, SECOND, THIRD), strict=True):
        assert name.take(process, None)

    assert [holder(name) for name in names] == [FIRST, SECOND, THIRD]


def test_only_the_heartbeats_of_the_holder_count(settings: CdcSettings) -> None:
    name = instances(settings)
    assert name.take(FIRST, None)
    documents = database(connected(settings), settings)[
        f"{settings.positions_collection}_instances"
    ]
    hour = timedelta(hours=1)
    documents.update_one({}, [{"$set": {"at": {"$subtract": ["$at", hour.seconds * 1000]}}}])

    name.beat(SECOND)
    old = name.read()
    name.beat(FIRST)
    new = name.read()

    assert old is not None
    assert new is not None
    assert old.seconds_ago >= hour.seconds
    assert 0 <= new.seconds_ago < hour.seconds
    assert hour <= new.beat - old.beat
    assert abs(new.beat - datetime.now(UTC)) < hour
    assert new.process == FIRST


def test_a_name_is_removed_a_day_after_its_last_heartbeat(settings: CdcSettings) -> None:
    name = instances(settings)
    name.prepare()
    name.prepare()

    documents = database(connected(settings), settings)[
        f"{settings.positions_collection}_instances"
    ]
    assert documents.index_information()["at_ttl"]["key"] == [("at", 1)]
    assert documents.index_information()["at_ttl"]["expireAfterSeconds"] == 24 * 60 * 60
