"""The checks of a server's variables, with values of servers that the tests cannot start."""

from dataclasses import replace

import pytest
from django.conf import settings

from cdc.doctor.check import Check, Level, refuse
from cdc.doctor.variables import judge
from cdc.errors import Misconfigured

HEALTHY = {
    "transaction_isolation": "READ-COMMITTED",
    "sql_mode": "STRICT_TRANS_TABLES",
    "max_allowed_packet": str(16 * 1024 * 1024),
    "read_only": "OFF",
    **dict.fromkeys(
        ("character_set_client", "character_set_connection", "character_set_results"), "utf8mb4"
    ),
    "auto_increment_increment": "1",
    "innodb_flush_log_at_trx_commit": "1",
    "log_bin": "ON",
    "sync_binlog": "1",
}
GALERA = {"wsrep_on": "ON", "wsrep_provider": "/usr/lib/galera/libgalera_smm.so"}
GROUP = {"group_replication_group_name": "a-b-c", "group_replication_single_primary_mode": "OFF"}


def problems(**changes: str) -> dict[str, Check]:
    found = judge({**HEALTHY, **changes}, settings.CDC)
    return {check.id: check for check in found if check.level is not Level.OK}


def test_a_healthy_server_passes() -> None:
    assert problems() == {}


@pytest.mark.parametrize(
    ("cluster", "name"),
    [(GALERA, "a Galera cluster"), (GROUP, "a replication group with several primaries")],
)
def test_a_cluster_with_several_writers_is_refused(cluster: dict[str, str], name: str) -> None:
    with pytest.raises(Misconfigured, match=f"The database is {name}, in which a later change"):
        refuse(problems(**cluster).values())


@pytest.mark.parametrize(
    "single",
    [
        {"wsrep_on": "OFF", "wsrep_provider": "none"},
        {"wsrep_on": "ON", "wsrep_provider": "none"},
        {"wsrep_on": "OFF", "wsrep_provider": GALERA["wsrep_provider"]},
        {"group_replication_group_name": "", "group_replication_single_primary_mode": "OFF"},
        {**GROUP, "group_replication_single_primary_mode": "ON"},
    ],
)
def test_a_server_with_one_writer_passes(single: dict[str, str]) -> None:
    assert problems(**single) == {}


def test_mariadb_has_another_name_for_the_isolation_level() -> None:
    variables = {**HEALTHY, "tx_isolation": "READ-COMMITTED"}
    del variables["transaction_isolation"]
    assert all(check.level is Level.OK for check in judge(variables, settings.CDC))


def test_a_packet_must_hold_the_largest_row() -> None:
    assert problems(max_allowed_packet=str(1024 * 1024))["database.max_allowed_packet"]
    large = replace(settings.CDC, max_event_bytes=10_000_000)
    found = {check.id: check for check in judge(HEALTHY, large)}
    assert "MAX_EVENT_BYTES=10000000" in found["database.max_allowed_packet"].text
    assert found["database.max_allowed_packet"].level is Level.WRONG


@pytest.mark.parametrize("name", ["innodb_flush_log_at_trx_commit", "sync_binlog"])
@pytest.mark.parametrize("value", ["0", "2"])
def test_a_server_that_may_lose_commits_is_a_warning(name: str, value: str) -> None:
    found = problems(**{name: value})
    assert [(check.id, check.level) for check in found.values()] == [
        ("database.durability", Level.WARNING)
    ]
    assert f"{name} is {value}" in found["database.durability"].text


def test_without_a_binary_log_its_flushing_does_not_matter() -> None:
    assert problems(log_bin="OFF", sync_binlog="0") == {}


def test_a_standby_server_is_wrong() -> None:
    found = problems(read_only="ON")
    assert found["database.one_writer"].level is Level.WRONG
    assert "read-only" in found["database.one_writer"].text
