"""Passwords that are not part of a URL."""

from pathlib import Path
from string import printable

import pytest
from pymongo.uri_parser import parse_uri

from cdc.errors import Misconfigured
from project.config.databases import database
from project.config.environment import load_environment

PASSWORDS = ["abc$def", "a/b#c?d@e:f", "%41%zz", "'\"\\`$(x)${y}", "ключ 🗝", printable.strip()]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "url", ["mysql://ann@db/feed", "mysql://ann:old@db:3307/feed?ssl_mode=REQUIRED"]
)
def test_a_database_password_may_have_any_character(password: str, url: str) -> None:
    environment = load_environment({"DATABASE_URL": url, "DATABASE_PASSWORD": password})
    found = database(environment.database_url)
    assert (found["USER"], found["PASSWORD"], found["HOST"]) == ("ann", password, "db")
    assert found["NAME"] == "feed"


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("hosts", ["m1:27017", "m1,m2:27018,m3/?replicaSet=rs0&tls=true"])
def test_a_mongodb_password_may_have_any_character(password: str, hosts: str) -> None:
    values = {"MONGODB_URI": f"mongodb://ann:old@{hosts}", "MONGODB_PASSWORD": password}
    found = parse_uri(load_environment(values).cdc.mongodb_uri)
    assert (found["username"], found["password"]) == ("ann", password)


def test_a_password_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("p@ss/word\n")
    values = {
        "DATABASE_URL": "mysql://ann@db/feed",
        "DATABASE_PASSWORD_FILE": str(tmp_path / "secret"),
    }
    assert database(load_environment(values).database_url)["PASSWORD"] == "p@ss/word"


@pytest.mark.parametrize(
    ("name", "url", "example"),
    [
        ("DATABASE_URL", "sqlite:////data/a.sqlite3", "sqlite://user@host"),
        ("DATABASE_URL", "mysql://db/feed", "mysql://user@host"),
        ("DATABASE_URL", "mysql://:old@db/feed", "mysql://user@host"),
        ("MONGODB_URI", "mongodb://m1,m2/?replicaSet=rs0", "mongodb://user@host"),
    ],
)
def test_a_password_needs_a_user(name: str, url: str, example: str) -> None:
    setting = f"{name.rpartition('_')[0]}_PASSWORD"
    with pytest.raises(Misconfigured) as caught:
        load_environment({name: url, setting: "hidden"})
    sentence = f"{setting} is set, but {name} names no user: use {example}."
    assert str(caught.value) == sentence


def test_the_text_of_the_settings_has_no_secret() -> None:
    """A debugger, a traceback with local variables or Django's debug page may show this text."""
    values = {
        "DJANGO_SECRET_KEY": "hidden-key",
        "DATABASE_URL": "mysql://ann:hidden@db/feed",
        "DATABASE_PASSWORD": "hidden-database",
        "MONGODB_URI": "mongodb://ann:hidden@m1/?replicaSet=rs0",
        "MONGODB_PASSWORD": "hidden-mongodb",
        "KAFKA_CONFIG": '{"sasl.password": "hidden-kafka"}',
        "EMAIL_URL": "smtp://ann:hidden@mail:587/",
        "METRICS_TOKEN": "hidden-token-of-more-than-16",
    }
    environment = load_environment(values)
    assert "hidden" in environment.cdc.mongodb_uri
    assert "hidden" not in repr(environment)
    assert "topic='story-events'" in repr(environment.cdc)
