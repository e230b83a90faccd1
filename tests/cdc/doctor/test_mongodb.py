"""The examination of MongoDB, on real servers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import MongoClient

from cdc.conf import CdcSettings
from cdc.consumer.routes import routes
from cdc.doctor.check import Check, Level, refuse
from cdc.doctor.mongodb import check_mongodb, clock_offset, judge_rights, judge_version
from cdc.errors import Misconfigured, Retryable, Unreachable
from cdc.mongo.client import connect
from cdc.mongo.replica import MongoReplica
from cdc.runtime.clock import SystemClock
from cdc.status.probes import ServiceProbes
from tests.support.commands import retried, wait_until
from tests.support.feed_settings import without_servers
from tests.support.mongodb import (
    LockedMongod,
    OwnMongod,
    Secondary,
    Standalone,
    answered,
    running,
)
from tests.support.tls import certificate, tls_server

pytestmark = pytest.mark.services
Db = MongoClient[dict[str, Any]]


def problems(settings: CdcSettings) -> dict[str, Check]:
    found = retried(lambda: list(check_mongodb(settings)))
    return {check.id: check for check in found if check.level is not Level.OK}


def examine(settings: CdcSettings) -> list[Check]:
    return answered(lambda: list(check_mongodb(settings)))


def prepare(settings: CdcSettings) -> None:
    with connect(settings) as client:
        replica = MongoReplica(client, settings, routes(), "a", clock=SystemClock())
        retried(replica.prepare)


def test_an_empty_and_a_prepared_database_pass(feed_settings: CdcSettings) -> None:
    assert problems(feed_settings) == {}
    prepare(feed_settings)
    assert problems(feed_settings) == {}
    without_history = replace(feed_settings, history_days=0)
    prepare(without_history)
    assert problems(without_history) == {}


def test_the_server_s_clock_is_this_machine_s(feed_settings: CdcSettings) -> None:
    assert abs(retried(lambda: clock_offset(feed_settings))) < 60


@pytest.mark.parametrize("options", ["", "?replicaSet=rs0", "?directConnection=true"])
def test_a_standalone_server_is_refused(tmp_path: Path, options: str) -> None:
    with running(Standalone(tmp_path)) as server:
        settings = without_servers(mongodb_uri=f"mongodb://{server.address}/{options}")
        with pytest.raises(Misconfigured, match=r"a standalone mongod, which has no transactions"):
            examine(settings)
        with pytest.raises(Misconfigured, match=r"a standalone mongod, which has no transactions"):
            prepare(settings)
        with pytest.raises(Misconfigured, match=r"a standalone mongod, which has no transactions"):
            answered(ServiceProbes(settings).mongodb)


def test_the_name_of_another_replica_set_is_refused(mongodb_uri: str) -> None:
    wrong = mongodb_uri.partition("?")[0] + "?replicaSet=other"
    with pytest.raises(
        Misconfigured, match=r"has replicaSet=other, but .* belongs to the replica set rs0: correct"
    ):
        examine(without_servers(mongodb_uri=wrong))


def test_a_replica_set_without_a_majority_is_not_refused(tmp_path: Path) -> None:
    with running(OwnMongod(tmp_path / "first")) as primary:
        settings = without_servers(mongodb_uri=primary.uri)
        with running(Secondary(tmp_path / "second", primary)) as other:
            with Db(primary.uri) as client:
                config = client.admin.command("replSetGetConfig")["config"]
                config["members"][1].update(votes=1, priority=1)
                config["version"] += 1
                client.admin.command("replSetReconfig", config)
            assert other.alive
        wait_until(lambda: "has no primary: " in reason(settings), "the loss of the majority")


def reason(settings: CdcSettings) -> str:
    try:
        list(check_mongodb(settings))
    except Retryable as error:
        return str(error)
    return ""


def test_an_unreachable_server_is_not_refused() -> None:
    settings = without_servers(mongodb_uri="mongodb://127.0.0.1:1/?replicaSet=rs0")
    with pytest.raises(Unreachable, match="MongoDB is not responding"):
        list(check_mongodb(settings))


@pytest.mark.parametrize(
    ("version", "compatibility", "level"),
    [
        ("4.4.29", "4.4", Level.WRONG),
        ("3.6.8", "", Level.WRONG),
        ("5.0.0", "4.4", Level.WRONG),
        ("5.0.31", "5.0", None),
        ("6.0.5", "", None),
        ("10.0.1-rc0", "10.0", None),
    ],
)
def test_an_old_version_is_wrong(version: str, compatibility: str, level: Level | None) -> None:
    found = list(judge_version(version, compatibility))
    assert [check.level for check in found] == ([level] if level else [])


def test_a_unique_index_of_another_program_is_a_warning(feed_settings: CdcSettings) -> None:
    prepare(feed_settings)
    name = feed_settings.collections[1]
    with Db(feed_settings.mongodb_uri) as client:
        client[feed_settings.mongodb_database][name].create_index("href", unique=True)
    found = problems(feed_settings)
    assert found["mongodb.unique_index"].level is Level.WARNING
    assert f"{name} has the unique index href_1" in found["mongodb.unique_index"].text


@pytest.mark.parametrize("name", ["history", "markers"])
def test_documents_that_never_expire_are_a_warning(feed_settings: CdcSettings, name: str) -> None:
    prepare(feed_settings)
    collection = {
        "history": feed_settings.history_collection,
        "markers": "stories_story_delete_markers",
    }[name]
    with Db(feed_settings.mongodb_uri) as client:
        client[feed_settings.mongodb_database][collection].drop_index("at_ttl")
    found = problems(feed_settings)
    assert found["mongodb.expiry"].level is Level.WARNING
    assert f"the collection {collection} is unlimited" in found["mongodb.expiry"].text


def test_documents_that_expire_too_early_are_a_warning(feed_settings: CdcSettings) -> None:
    prepare(feed_settings)
    found = problems(replace(feed_settings, delete_marker_days=30))
    assert "is 604800 s, not 2592000 s" in found["mongodb.expiry"].text


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[LockedMongod]:
    server = LockedMongod(tmp_path)
    with running(server):
        server.add_user("admin", "root")
        yield server


def test_a_user_needs_rights(locked: LockedMongod) -> None:
    database = "storyfeed"
    reader = locked.add_user("reader", {"role": "read", "db": database})
    writer = locked.add_user("writer", {"role": "readWrite", "db": database})
    owner = locked.add_user("owner", {"role": "dbOwner", "db": database})
    other = locked.add_user("other", {"role": "dbOwner", "db": "another"})

    def settings(uri: str) -> CdcSettings:
        return without_servers(mongodb_uri=uri, mongodb_database=database)

    for uri in (owner, locked.uri_of("admin")):
        assert problems(settings(uri)) == {}
        prepare(settings(uri))
    for uri, lacking in ((reader, "insert"), (other, "find")):
        with pytest.raises(Misconfigured, match=rf"lacks the actions .*{lacking}.*: grant"):
            refuse(problems(settings(uri)).values())
    assert problems(settings(writer))["mongodb.rights"].level is Level.WARNING
    prepare(settings(writer))
    for uri in (locked.uri_of("owner", "wrong"), locked.uri_of("stranger")):
        with pytest.raises(
            Misconfigured, match=r"refuses the login \(Authentication failed\): correct the user"
        ):
            refuse(problems(settings(uri)).values())
    with pytest.raises(Misconfigured, match=r"MongoDB refuses a command .*requires authentication"):
        refuse(problems(settings(locked.uri)).values())


@pytest.mark.parametrize(
    ("server", "authority", "host", "reason"),
    [
        ("expired", "authority", "127.0.0.1", "certificate has expired"),
        ("valid", "stranger", "127.0.0.1", "self.signed certificate in certificate chain"),
        ("valid", "authority", "127.0.0.2", "IP address mismatch.*"),
    ],
)
@pytest.mark.parametrize("options", ["", "&replicaSet=rs0"])
def test_a_refused_certificate_is_named_with_its_reason(
    server: str, authority: str, host: str, reason: str, options: str
) -> None:
    with tls_server(server, host) as address:
        trust = f"tls=true&tlsCAFile={quote(certificate(authority), safe='')}"
        settings = without_servers(mongodb_uri=f"mongodb://{address}/?{trust}{options}")
        expected = rf"certificate is refused \({address}: {reason}\): renew"
        with pytest.raises(Unreachable, match=expected):
            examine(settings)


def test_a_right_on_one_collection_is_not_a_right_on_the_database() -> None:
    actions = ["find", "insert", "update", "remove"]
    one = [{"resource": {"db": "shop", "collection": "orders"}, "actions": actions}]
    assert list(judge_rights(one, "shop"))
    everything = [{"resource": {"anyResource": True}, "actions": ["anyAction"]}]
    assert list(judge_rights(everything, "shop")) == []
