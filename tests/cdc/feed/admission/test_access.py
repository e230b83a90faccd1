"""A stream ends at the next check after its reader has lost access, for whatever reason."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import OperationalError, connections
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from cdc.audience import Audience, AudienceOf
from cdc.feed import stream
from cdc.feed.admission import access
from cdc.feed.admission.access import Access, AccessChecks, Reading, page_key
from tests.cdc.feed.site import Site, play, until
from tests.support.web import session_of
from users.models import User, UserType
from users.roles import feed_audience

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct-horse-7"
Loss = Callable[[User, str], object]


def person(name: str) -> User:
    return User.objects.create_user(
        f"{name}@p.example", PASSWORD, name="N", user_type=UserType.TECHNICAL_WORKER
    )


def in_thread(lose: Loss, user: User, cookie: str) -> None:
    try:
        lose(user, cookie)
    finally:
        connections.close_all()


def role(role: str) -> Loss:
    def change(user: User, _: str) -> None:
        user.user_type = role
        user.save()

    return change


def password(user: User, _: str) -> None:
    user.set_password("another-horse-8")
    user.save()


def deactivation(user: User, _: str) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def deletion(user: User, _: str) -> None:
    User.objects.filter(pk=user.pk).delete()


def log_out(_: User, cookie: str) -> None:
    client = Client()
    client.cookies["sessionid"] = cookie
    client.post("/logout/")


def expiry(_: User, cookie: str) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Session.objects.filter(session_key=cookie).update(expire_date=past)


def damage(_: User, cookie: str) -> None:
    Session.objects.filter(session_key=cookie).update(session_data="nonsense")


LOSSES: dict[str, Loss] = {
    "a role of another audience": role(UserType.SENIOR_MANAGEMENT),
    "a role without access": role(UserType.CUSTOMER),
    "a password changed elsewhere": password,
    "a deactivated account": deactivation,
    "a deleted account": deletion,
    "a log-out": log_out,
    "an expired session": expiry,
    "a damaged session": damage,
}


@pytest.mark.database
@pytest.mark.parametrize("loss", LOSSES)
def test_a_stream_ends_at_the_next_check_after(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHECK_SECONDS", 0.1)
    user, other = person("w"), session_of(person("o"))
    cookie = session_of(user)

    async def scene(site: Site) -> None:
        client, stays = await site.opened(cookie), await site.opened(other)
        await asyncio.to_thread(in_thread, LOSSES[loss], user, cookie)
        await until(client.task.done)
        assert client.frames.events[-1][0] == "bye"
        site.publish(1, 1)
        await until(lambda: len(stays.frames.places) == 1)
        assert client.frames.places == []
        assert await site.status(cookie) == 403

    play(monkeypatch, scene)


async def asked(checks: AccessChecks, *readings: Reading) -> list[Access]:
    return await asyncio.gather(*(checks.check(reading) for reading in readings))


def reading(key: str, audience_of: AudienceOf = feed_audience) -> Reading:
    return Reading(SessionStore, key, audience_of, Audience.OPERATORS)


def test_streams_share_the_check_of_their_session_and_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = [session_of(person(f"w{number}")) for number in range(3)]
    threads: list[int] = []

    def audience_of(user: User) -> Audience | None:
        threads.append(threading.get_ident())
        return feed_audience(user)

    readings = [reading(key, audience_of) for key in keys * 5]
    assert asyncio.run(asked(AccessChecks(), *readings)) == [Access.ALLOWED] * 15
    assert len(threads) == 3
    assert len(set(threads)) == 1
    assert len({each.phase for each in readings}) == 3


def test_access_is_unknown_while_the_database_does_not_respond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts: list[object] = []

    def away(user: object) -> Audience | None:
        attempts.append(user)
        raise OperationalError("gone away")

    keys = [session_of(person(f"w{number}")) for number in range(3)]
    found = asyncio.run(asked(AccessChecks(), *(reading(key, away) for key in keys)))
    assert found == [Access.UNKNOWN] * 3
    assert len(attempts) == 1, "each attempt may take seconds"


def test_access_is_unknown_if_the_database_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_ANSWER_SECONDS", 0.1)
    released = threading.Event()

    def hangs(_: object) -> Audience | None:
        released.wait()
        return None

    async def scene() -> list[Access]:
        try:
            return await asked(AccessChecks(), reading(key, hangs), reading(key, hangs))
        finally:
            released.set()

    key = session_of(person("w"))
    assert asyncio.run(scene()) == [Access.UNKNOWN] * 2


def test_an_unexpected_error_concerns_only_its_own_stream() -> None:
    def fails(_: object) -> Audience | None:
        raise ZeroDivisionError

    keys = [session_of(person(f"w{number}")) for number in range(2)]
    found = asyncio.run(asked(AccessChecks(), reading(keys[0], fails), reading(keys[1])))
    assert found == [Access.UNKNOWN, Access.ALLOWED]


def test_a_page_gets_the_stream_of_its_own_session_only(monkeypatch: pytest.MonkeyPatch) -> None:
    user, boss = person("w"), User.objects.create_superuser("b@p.example", PASSWORD, name="B")
    cookies = [session_of(user), session_of(user), session_of(boss)]
    keys = [key_of(cookie) for cookie in cookies]
    assert len(set(keys)) == 3

    async def scene(site: Site) -> None:
        for cookie in cookies:
            for key in keys:
                expected = 200 if keys.index(key) == cookies.index(cookie) else 403
                for method in ("HEAD", "GET"):
                    client = await site.open(cookie, f"key={key}", method=method).begun()
                    assert client.status == expected

    play(monkeypatch, scene)


def key_of(cookie: str) -> str:
    request = HttpRequest()
    request.session = SessionStore(cookie)
    return page_key(request, Audience.OPERATORS)
