"""Judges the variables of a MySQL or MariaDB server, as one session sees them."""

from collections.abc import Iterator, Mapping

from cdc.conf import CdcSettings
from cdc.doctor.check import Check, ok, or_ok, warning, wrong

NAMES = (
    *("transaction_isolation", "tx_isolation", "sql_mode", "max_allowed_packet", "read_only"),
    *("character_set_client", "character_set_connection", "character_set_results"),
    *("auto_increment_increment", "innodb_flush_log_at_trx_commit", "log_bin", "sync_binlog"),
    *("wsrep_on", "wsrep_provider"),
    *("group_replication_group_name", "group_replication_single_primary_mode"),
)
"""The variables that are judged; a server has only some of them."""
_STRICT = {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"}
_ROOM = 100_000
_LARGEST_CHUNK = 1_000_000
"""The maximum number of bytes of several outbox rows in one statement."""
_OPTIONS = (
    "find the setting that changes it, in the options of DATABASE_URL or in the server's "
    "init_connect, and remove it"
)


def judge(variables: Mapping[str, str], settings: CdcSettings) -> Iterator[Check]:
    """Yield the checks of a session."""
    yield from _one_writer(variables)
    yield from _session(variables)
    yield from _packet(int(variables["max_allowed_packet"]), settings)
    yield from or_ok(
        _durability(variables), "database.durability", "Each commit is flushed to disk"
    )


def _one_writer(variables: Mapping[str, str]) -> Iterator[Check]:
    """Check that only one server writes, so that the outbox ids of a row's changes rise."""
    cluster = _cluster(variables)
    if cluster:
        yield wrong(
            "database.one_writer",
            f"The database is {cluster}, in which a later change of a row may get a lower "
            "outbox id",
            "use a single primary server that accepts all writes",
            stops=True,
        )
    elif variables.get("read_only", "OFF") not in {"OFF", "0"}:
        yield wrong(
            "database.one_writer",
            "The database server is read-only, like a standby server",
            "name the primary server in DATABASE_URL",
        )
    elif (step := variables["auto_increment_increment"]) != "1":
        yield warning(
            "database.one_writer",
            f"The server's auto_increment_increment is {step}, as if several servers accepted "
            "writes",
            "set it to 1, and let only one server accept writes",
        )
    else:
        yield ok("database.one_writer", "One database server assigns the ids")


def _cluster(variables: Mapping[str, str]) -> str:
    galera = variables.get("wsrep_provider", "none").lower() not in {"", "none"}
    if galera and variables.get("wsrep_on", "OFF") in {"ON", "1"}:
        return "a Galera cluster"
    group = variables.get("group_replication_group_name", "")
    if group and variables.get("group_replication_single_primary_mode") in {"OFF", "0"}:
        return "a replication group with several primaries"
    return ""


def _session(variables: Mapping[str, str]) -> Iterator[Check]:
    level = variables.get("transaction_isolation") or variables.get("tx_isolation", "")
    problem = f"The isolation level of a session is {level}, not READ-COMMITTED"
    yield _required("database.isolation", problem, holds=level == "READ-COMMITTED")
    mode = variables["sql_mode"]
    problem = f"The sql_mode of a session is {mode!r}, so values that do not fit are changed"
    yield _required("database.sql_mode", problem, holds=bool(_STRICT & set(mode.split(","))))
    names = ("character_set_client", "character_set_connection", "character_set_results")
    sets = sorted({variables[name] for name in names})
    problem = f"The character set of a session is {', '.join(sets)}, not utf8mb4"
    yield _required("database.connection_charset", problem, holds=sets == ["utf8mb4"])


def _required(check: str, problem: str, *, holds: bool) -> Check:
    if holds:
        subject = check.partition(".")[2].replace("_", " ")
        return ok(check, f"The {subject} of a session is as required")
    return wrong(check, problem, _OPTIONS, stops=True)


def _packet(largest: int, settings: CdcSettings) -> Iterator[Check]:
    # A quotation mark is escaped, so in the worst case every byte becomes two.
    needed = 2 * max(settings.max_event_bytes, _LARGEST_CHUNK) + _ROOM
    if largest < needed:
        yield wrong(
            "database.max_allowed_packet",
            f"The server's max_allowed_packet is {largest}, but an outbox row may need {needed} "
            f"bytes with MAX_EVENT_BYTES={settings.max_event_bytes}",
            f"set max_allowed_packet to {needed} or more, or reduce MAX_EVENT_BYTES",
        )
    else:
        yield ok("database.max_allowed_packet", "The largest outbox row fits into a packet")


def _durability(variables: Mapping[str, str]) -> Iterator[Check]:
    needed = {"innodb_flush_log_at_trx_commit": "1"}
    if variables.get("log_bin") in {"ON", "1"}:
        needed["sync_binlog"] = "1"
    for name, value in needed.items():
        if (found := variables.get(name, value)) != value:
            yield warning(
                "database.durability",
                f"The server's {name} is {found}, so a power failure can undo commits whose "
                "changes Kafka already has",
                f"set it to {value}",
            )
