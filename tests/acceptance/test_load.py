"""A web process under load, with its database."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import OperationalError, connection

from cdc.conf import CdcSettings
from project.http.admission import OTHER_CONNECTIONS
from tests.acceptance.conftest import environment
from tests.load.bursts import Answer, Target, ask, burst, open_streams
from tests.support.web import Web, session_of
from users.models import User, UserType

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
CONNECTIONS = 5
READERS = 300


@pytest.fixture
def web(transactional_db: None, feed_settings: CdcSettings, tmp_path: Path) -> Iterator[Web]:
    env = environment(feed_settings, tmp_path)
    with Web(tmp_path / "web.log", {**env, "DATABASE_CONNECTIONS": str(CONNECTIONS)}) as web:
        yield web


@pytest.fixture
def cookie(transactional_db: None) -> str:
    worker = UserType.TECHNICAL_WORKER
    return session_of(User.objects.create_user("w@load.example", name="W", user_type=worker))


def target(web: Web, cookie: str, path: str) -> Target:
    address = urlsplit(web.url)
    return Target(host="127.0.0.1", port=address.port or 0, cookie=cookie, path=path)


def connections() -> list[int]:
    """Return the ids of the other connections to the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist "
            "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        return [number for (number,) in cursor.fetchall()]


def end_connections() -> None:
    """Make the server close all other connections to the database."""
    with connection.cursor() as cursor:
        for number in connections():
            with suppress(OperationalError):  # closed meanwhile
                cursor.execute(f"KILL {number}")


def is_right(answer: Answer) -> bool:
    return answer.status == 200 or (answer.status == 503 and 1 <= (answer.retry_after or 0) <= 10)


def test_burst_of_pages_and_of_readers_leaves_the_site_as_it_was(web: Web, cookie: str) -> None:
    page, stream = target(web, cookie, "/stories/"), target(web, cookie, "/feed/stream")
    answers = asyncio.run(burst(page, clients=50, requests=300))
    answers += asyncio.run(open_streams(stream, READERS))
    assert [answer for answer in answers if not is_right(answer)] == []
    assert asyncio.run(ask(page)).status == 200
    if connection.vendor == "mysql":
        assert len(connections()) <= CONNECTIONS + OTHER_CONNECTIONS
        end_connections()
        # Each thread notices that its connection was closed, as after a restart of the server.
        # As many clients as page threads, so that no request waits for a thread for seconds.
        answers = asyncio.run(burst(page, clients=CONNECTIONS, requests=50))
        assert {answer.status for answer in answers} == {200}
