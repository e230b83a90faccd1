"""No option of MONGODB_URI weakens a transaction. Unsuitable servers are refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured
from cdc.mongo.client import connect, require_transactions
from cdc.mongo.reader import ReplicaReader
from cdc.mongo.replica import MongoReplica
from cdc.runtime.clock import SystemClock
from tests.support.builders import COLLECTIONS, ROUTES, SOURCE, change, delivered
from tests.support.feed_settings import without_servers
from tests.support.mongodb import COMMANDS, OwnMongod, Secondary, Standalone, running

pytestmark = pytest.mark.services

OPTIONS = (
    *("readPreference=secondaryPreferred", "readPreference=secondary&maxStalenessSeconds=120"),
    *("readPreference=nearest&readPreferenceTags=dc:here", "w=1", "w=0", "w=0&journal=true", "w=3"),
    *("journal=false", "w=1&journal=false", "fsync=true", "wTimeoutMS=1", "retryWrites=false"),
    *("retryReads=false", "readConcernLevel=local", "readConcernLevel=available"),
    *("readConcernLevel=linearizable", "compressors=zlib", "directConnection=true", "timeoutMS=1"),
    *("tz_aware=false", "maxPoolSize=1", "socketTimeoutMS=1", "w=elsewhere"),
)
ACKNOWLEDGED = {"w": "majority", "j": True}
WRITES = {"insert", "update", "delete", "create", "createIndexes", "collMod", "findAndModify"}


@pytest.fixture
def settings(feed_settings: CdcSettings) -> Iterator[CdcSettings]:
    yield feed_settings
    with connect(feed_settings) as client:
        client.drop_database(feed_settings.mongodb_database)


def with_option(settings: CdcSettings, option: str) -> CdcSettings:
    joint = "&" if "?" in settings.mongodb_uri else "/?"
    return replace(settings, mongodb_uri=f"{settings.mongodb_uri}{joint}{option}")


def use(settings: CdcSettings) -> dict[str, int]:
    """Prepare a replica and apply batches. Return the number of documents per collection."""
    with connect(settings) as client:
        replica = MongoReplica(client, settings, ROUTES, "a", clock=SystemClock())
        replica.prepare()
        later = replace(settings, history_days=1)
        MongoReplica(client, later, ROUTES, "a", clock=SystemClock()).prepare()
        replica.take_over(SOURCE, "topic 1")
        replica.apply([delivered(change("c", key, key)) for key in (1, 2)], {SOURCE: 2})
        replica.apply([delivered(change("u", 1, 3)), delivered(change("d", 2, 4))], {SOURCE: 4})
        replica.check(frozenset({SOURCE}))
        return ReplicaReader(client, settings).counts(COLLECTIONS)


@pytest.mark.parametrize("option", OPTIONS)
def test_no_option_of_the_address_weakens_a_write(settings: CdcSettings, option: str) -> None:
    with COMMANDS.record() as sent:
        assert use(with_option(settings, option)) == dict.fromkeys(COLLECTIONS, 1)

    in_transaction = [each for each in sent if "autocommit" in each]
    commits = [each for each in sent if "commitTransaction" in each]
    first = [each for each in in_transaction if each.get("startTransaction")]
    alone = [each for each in sent if WRITES & each.keys() and "autocommit" not in each]
    assert len(commits) == len(first) == 2
    assert {each["readConcern"]["level"] for each in first} == {"snapshot"}
    assert [each["writeConcern"] for each in (*commits, *alone)] == [ACKNOWLEDGED] * (
        len(commits) + len(alone)
    )
    assert {name for name in WRITES if any(name in each for each in alone)} >= {
        *("create", "createIndexes", "collMod", "findAndModify")
    }
    assert preferences(sent) <= {"primary", "primaryPreferred"}


def preferences(sent: list[dict[str, Any]]) -> set[str]:
    # On a direct connection, the driver sends `primaryPreferred`, which any member accepts.
    return {each["$readPreference"]["mode"] for each in sent if "$readPreference" in each}


@pytest.mark.parametrize("option", ["loadBalanced=true", "datetime_conversion=never"])
def test_an_option_that_no_server_fits_is_refused(settings: CdcSettings, option: str) -> None:
    bare = replace(settings, mongodb_uri=settings.mongodb_uri.partition("?")[0] + "?" + option)

    with pytest.raises(Misconfigured, match="MONGODB_URI is not valid"), connect(bare) as client:
        require_transactions(client, bare.mongodb_uri)


@pytest.mark.usefixtures("found_server")
def test_a_standalone_server_is_refused(tmp_path: Path) -> None:
    with running(Standalone(tmp_path)) as server:
        settings = without_servers(mongodb_uri=f"mongodb://{server.address}/")
        with (
            connect(settings) as client,
            pytest.raises(Misconfigured, match=r"a standalone mongod, which has no transactions"),
        ):
            MongoReplica(client, settings, ROUTES, "a", clock=SystemClock()).prepare()


@pytest.mark.usefixtures("found_server")
def test_a_direct_connection_to_a_secondary_is_refused(tmp_path: Path) -> None:
    with (
        running(OwnMongod(tmp_path / "first")) as primary,
        running(Secondary(tmp_path / "second", primary)) as other,
    ):
        uri = f"mongodb://{other.address}/?directConnection=true"
        settings = without_servers(mongodb_uri=uri)
        with (
            connect(settings) as client,
            pytest.raises(Misconfigured, match=r"which is not the primary: remove directConn"),
        ):
            require_transactions(client, uri)
