"""Database URLs."""

import pytest
from django.db import connection

from cdc.errors import Misconfigured
from project.config.databases import database


def test_sqlite_takes_the_write_lock_at_begin() -> None:
    config = database("sqlite:////data/storyfeed.sqlite3")
    assert config["NAME"] == "/data/storyfeed.sqlite3"
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in config["OPTIONS"]["init_command"]


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
    config = database("mysql://ann:pass@db.example/feed?charset=utf8")
    assert config["OPTIONS"]["charset"] == "utf8"


def test_connections_are_checked_before_reuse() -> None:
    assert database("sqlite:////data/a")["CONN_HEALTH_CHECKS"] is True


@pytest.mark.parametrize("url", ["postgres://ann:hidden@db/feed", "nonsense://hidden"])
def test_other_databases_are_refused_without_repeating_the_password(url: str) -> None:
    with pytest.raises(
        Misconfigured, match=r"DATABASE_URL starts with .*: give mysql://"
    ) as caught:
        database(url)
    assert "hidden" not in str(caught.value)
