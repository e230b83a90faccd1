"""Database URLs."""

import pytest
from django.db import connection, connections

from cdc.errors import Misconfigured
from project.config.databases import database, set_query_timeouts
from tests.support.tls import certificate


def test_sqlite_takes_the_write_lock_at_begin() -> None:
    config = database("sqlite:////data/storyfeed.sqlite3")
    assert config["NAME"] == "/data/storyfeed.sqlite3"
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in config["OPTIONS"]["init_command"]


def test_sqlite_keeps_its_commits_after_a_power_failure() -> None:
    config = database("sqlite:////data/storyfeed.sqlite3")
    assert "synchronous=FULL" in config["OPTIONS"]["init_command"]


def test_mysql_is_strict_and_read_committed() -> None:
    config = database("mysql://ann:pass@db.example:3307/feed")
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example", 3307, "feed")
    assert (config["USER"], config["PASSWORD"]) == ("ann", "pass")
    assert config["OPTIONS"]["isolation_level"] == "read committed"
    assert "STRICT_TRANS_TABLES" in config["OPTIONS"]["init_command"]
    assert "time_zone='+00:00'" in config["OPTIONS"]["init_command"]
    assert config["OPTIONS"]["charset"] == "utf8mb4"


@pytest.mark.database
@pytest.mark.row_locks
@pytest.mark.django_db
def test_sessions_of_a_server_are_strict_and_in_utc() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@SESSION.time_zone, @@SESSION.sql_mode")
        zone, mode = cursor.fetchone()

    assert zone == "+00:00"
    assert "STRICT_TRANS_TABLES" in mode


def test_option_in_the_url_wins() -> None:
    config = database("mysql://ann:pass@db.example/feed?connect_timeout=9&charset=utf8mb4")
    assert config["OPTIONS"]["connect_timeout"] == 9


@pytest.mark.parametrize("character", "#/?[]")
@pytest.mark.parametrize("scheme", ["mysql", "mysql2", "MySQL"])
def test_a_password_must_be_percent_encoded(scheme: str, character: str) -> None:
    with pytest.raises(Misconfigured, match=r"DATABASE_URL .*percent-encode") as caught:
        database(f"{scheme}://ann:hid{character}den@db.example/feed")
    assert "hid" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ann:12/34@db/feed",
        "mysql://ann:a?b=c@db/feed",
        "mysql://a/b:pass@db/feed",
        "mysql://ann:pass@db:port/feed",
        "mysql://ann:pass@db:70000/feed",
        "sqlite:////data/a#b/feed",
        "sqlite:////data/a?b/feed",
    ],
)
def test_a_url_that_splits_at_the_wrong_place_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"DATABASE_URL .*percent-encode"):
        database(url)


def test_a_percent_encoded_password_is_decoded() -> None:
    config = database("mysql://ann:%23%2F%3F%5B%5D%40%25@[::1]:3307/feed")
    assert (config["PASSWORD"], config["HOST"], config["PORT"]) == ("#/?[]@%", "::1", 3307)
    assert database("sqlite:////data/a%23%3Fb/feed")["NAME"] == "/data/a#?b/feed"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("nonsense=1", "has the option 'nonsense', which is not supported"),
        ("sslmode=require", "has the option 'sslmode', which is not supported"),
        ("init_command=SET+x", "has the option 'init_command', which is not supported"),
        ("sql_mode=ANSI", "has the option 'sql_mode', which is not supported"),
        ("charset=utf8", "the option 'charset' with the value 'utf8'"),
        ("charset=latin1", "the option 'charset' with the value 'latin1'"),
        ("isolation_level=serializable", "'isolation_level' with the value 'serializable'"),
        ("isolation_level=None", "'isolation_level' with the value 'None'"),
        ("connect_timeout=soon", "'connect_timeout' with the value 'soon': use a whole number"),
        ("read_timeout=true", "'read_timeout' with the value True: use a whole number"),
        ("ssl_mode=A&ssl_mode=B", "the option 'ssl_mode' twice"),
        ("ssl_mode=required", "'ssl_mode' with the value 'required': use one of DISABLED,"),
        ("ssl_mode=true", "'ssl_mode' with the value True: use one of DISABLED,"),
        ("ssl-ca=/missing.pem", "'ssl-ca' with the value '/missing.pem', which cannot be read (No"),
        ("ssl-ca=/", "'ssl-ca' with the value '/', which cannot be read (Is a directory)"),
        ("ssl-ca=7", "'ssl-ca' with the value '7', which cannot be read (No such file"),
    ],
)
def test_an_option_that_the_pipeline_cannot_use_is_refused(options: str, sentence: str) -> None:
    with pytest.raises(Misconfigured, match="DATABASE_URL") as caught:
        database(f"mysql://ann:pass@db/feed?{options}")
    assert sentence in str(caught.value)


def test_an_authority_also_checks_the_host_and_requires_tls() -> None:
    """Without this mode, the client would accept any certificate of the authority, or none."""
    trust = f"ssl-ca={certificate('authority')}"
    options = database(f"mysql://ann:pass@db/feed?{trust}")["OPTIONS"]
    assert options["ssl"] == {"ca": certificate("authority")}
    assert options["ssl_mode"] == "VERIFY_IDENTITY"
    chosen = database(f"mysql://ann:pass@db/feed?{trust}&ssl_mode=REQUIRED")["OPTIONS"]
    assert chosen["ssl_mode"] == "REQUIRED"
    assert "ssl_mode" not in database("mysql://ann:pass@db/feed")["OPTIONS"]
    assert "ssl_mode" not in database("mysql://ann:pass@db/feed?ssl=true")["OPTIONS"]


@pytest.mark.parametrize("options", ["timeout=soon", "transaction_mode=DEFERRED", "mode=ro"])
def test_an_option_that_breaks_sqlite_is_refused(options: str) -> None:
    with pytest.raises(Misconfigured, match="DATABASE_URL has the option"):
        database(f"sqlite:////data/feed?{options}")


def test_a_database_must_be_named() -> None:
    with pytest.raises(Misconfigured, match="DATABASE_URL names no database"):
        database("mysql://ann:pass@db")


def test_connections_are_checked_before_reuse() -> None:
    assert database("sqlite:////data/a")["CONN_HEALTH_CHECKS"] is True


@pytest.mark.parametrize("url", ["postgres://ann:hidden@db/feed", "nonsense://hidden"])
def test_other_databases_are_refused_without_repeating_the_password(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"DATABASE_URL starts with .*: use mysql://") as caught:
        database(url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "seconds"),
    [
        ("mysql://ann@db.example/feed", 120),
        ("mysql://ann@db.example/feed?read_timeout=300", 300),
        ("sqlite:////data/storyfeed.sqlite3", None),
    ],
)
def test_queries_of_web_requests_end(
    url: str, seconds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = database(url)
    monkeypatch.setitem(connections.__dict__, "settings", {"default": config})
    set_query_timeouts()
    assert config["OPTIONS"].get("read_timeout") == seconds
