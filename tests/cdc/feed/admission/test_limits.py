"""The limits on streams, and what a stream costs."""

import asyncio
import threading

import pytest

from cdc.feed.admission import limits as module
from cdc.feed.admission.limits import Place, Places, Refusal
from tests.cdc.feed.admission.test_access import person
from tests.cdc.feed.site import Site, play, until
from tests.support.web import session_of

ACCOUNT = "Your account has 2 open streams: close one of them."
ADDRESS = "2 streams are open from your IP address: close one of them."
TOTAL = "Too many people are reading the feed: try again in a moment."
MANY = 100


def taken(places: Places, *readers: tuple[str, str]) -> list[str]:
    """Take a place for each account and address. Return the reasons for the refusals."""
    found = [places.take(*reader) for reader in readers]
    return [each.why if isinstance(each, Refusal) else "" for each in found]


@pytest.mark.parametrize(
    ("readers", "refused"),
    [
        ([("a", "192.0.2.1"), ("a", "192.0.2.2"), ("a", "192.0.2.3")], ACCOUNT),
        ([("a", "192.0.2.1"), ("b", "192.0.2.1"), ("c", "192.0.2.1")], ADDRESS),
        ([("a", ""), ("b", ""), ("c", "")], ADDRESS),
        ([("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "2001:db8::1")], ""),
    ],
)
def test_an_account_and_an_address_have_a_limit(
    readers: list[tuple[str, str]], refused: str
) -> None:
    async def scene() -> None:
        places = Places(total=9, account=2, address=2)
        assert taken(places, *readers) == ["", "", refused]
        assert taken(places, ("d", "192.0.2.9")) == [""]

    asyncio.run(scene())


def test_a_limit_of_one_stream_is_singular() -> None:
    async def scene() -> None:
        places = Places(total=9, account=1, address=1)
        assert taken(places, ("a", "192.0.2.1"), ("a", "192.0.2.2"), ("b", "192.0.2.1")) == [
            "",
            "Your account has 1 open stream: close it.",
            "1 stream is open from your IP address: close it.",
        ]

    asyncio.run(scene())


def test_a_process_has_a_limit() -> None:
    async def scene() -> None:
        places = Places(total=3, account=3, address=3)
        readers = [(str(number), f"192.0.2.{number}") for number in range(4)]
        assert taken(places, *readers) == ["", "", "", TOTAL]

    asyncio.run(scene())


def test_a_place_is_given_back_even_if_its_stream_never_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_START_SECONDS", 0.05)

    async def scene() -> None:
        places = Places(total=1, account=1, address=1)
        assert isinstance(places.take("a", "x"), Place)
        assert isinstance(places.take("b", "y"), Refusal)
        await until(lambda: places.refusal("b", "y") is None)
        used = places.take("b", "y")
        assert isinstance(used, Place)
        with used.used():
            await asyncio.sleep(0.2)
            assert places.refusal("c", "z") is not None
        assert places.refusal("c", "z") is None

    asyncio.run(scene())


@pytest.mark.django_db(transaction=True)
def test_one_reader_cannot_take_the_streams_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    greedy, other = session_of(person("a")), session_of(person("b"))

    async def scene(site: Site) -> None:
        at_once = await asyncio.gather(*(site.status(greedy, f"192.0.2.{n}") for n in range(9)))
        assert sorted(at_once) == [200] * 2 + [503] * 7
        refused = await site.open(greedy).begun()
        assert await site.status(greedy, method="HEAD") == 503
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        await until(refused.task.done)
        assert refused.body.decode() == f"{ACCOUNT}\n"
        assert await site.status(other) == 200
        held = next(client for client in site.clients if client.status == 200)
        await held.leave()
        assert await site.status(greedy, method="HEAD") == 200
        assert await site.status(greedy) == 200
        assert await site.status(greedy) == 503

    play(monkeypatch, scene, account=2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("addresses", "last"),
    [
        (["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"], 503),
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:0:9::"], 503),
        (["2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1"], 200),
    ],
)
def test_the_addresses_of_one_customer_are_counted_together(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str], last: int
) -> None:
    cookie = session_of(person("a"))

    async def scene(site: Site) -> None:
        assert [await site.status(cookie, each) for each in addresses] == [200, 200, last]

    play(monkeypatch, scene, address=2)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_stream_has_no_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = session_of(person("a"))

    async def scene(site: Site) -> None:
        for _ in range(3):
            await site.opened(cookie)
        before = threading.active_count()
        for _ in range(MANY):
            await site.opened(cookie)
        site.publish(1, 10)
        await until(lambda: all(len(each.frames.places) == 10 for each in site.clients))
        await until(lambda: threading.active_count() < before + 5)

    play(monkeypatch, scene)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_readers_that_lose_their_streams_together_reconnect_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cookie = session_of(person("a"))

    async def scene(site: Site) -> None:
        clients = [await site.opened(cookie) for _ in range(MANY)]
        first = [client.frames.retry for client in clients]
        site.hub._stop.raised = True
        await until(lambda: all(client.task.done() for client in clients))
        for times in (first, [client.frames.retry for client in clients]):
            seconds = [time // 1_000 for time in times]
            assert min(seconds) >= 1
            assert len(set(seconds)) >= 5
            assert max(map(seconds.count, seconds)) < MANY / 2
        assert first != [client.frames.retry for client in clients]

    play(monkeypatch, scene)
