"""The page of the live feed and the details of a change, with an in-memory broker."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from cdc.context import acting_as
from cdc.errors import Misconfigured, Retryable
from cdc.feed import page as page_module
from cdc.feed import wiring
from cdc.feed.topic_pages import TopicPages
from cdc.feed.views import _name_of
from cdc.testing.tail import MemoryTail
from cdc.testing.twins import MemoryBroker
from cdc.wire import windows
from cdc.wire.event import PastEvent, Version
from cdc.wire.moments import milliseconds
from cdc.wire.records import Outgoing
from stories.models import Story
from tests.cdc.feed.records import RENDERER, TOPIC, update
from tests.support.builders import change, outgoing, tombstone
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


class MemoryHistory:
    """An in-memory twin of the history. Its methods raise Retryable while `events` is None."""

    def __init__(self) -> None:
        self.events: list[PastEvent] | None = None

    def since(self, moment: datetime, limit: int, skip: int = 0) -> list[PastEvent]:
        since_ms = milliseconds(moment) or 0
        found = [item for item in self._all() if item.event.ts_ms >= since_ms]
        return sorted(found, key=lambda item: item.event.ts_ms)[skip:][:limit]

    def at(self, partition: int, offset: int) -> PastEvent | None:
        places = {(item.partition, item.offset): item for item in self._all()}
        return places.get((partition, offset))

    def applied(self, versions: Sequence[Version]) -> dict[Version, float]:
        return {item.event.version: 0.017 for item in self._all()}

    def _all(self) -> list[PastEvent]:
        if self.events is None:
            raise Retryable("MongoDB is down.")
        return self.events


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryBroker]:
    broker = MemoryBroker()
    past = TopicPages(lambda: MemoryTail(broker=broker, topic=TOPIC), RENDERER.render)
    monkeypatch.setattr(wiring, "topic_pages", lambda: past)
    with plain_static_files():
        yield broker


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> MemoryHistory:
    history = MemoryHistory()
    monkeypatch.setattr(wiring, "history", lambda: history)
    return history


@pytest.fixture
def worker(client: Client) -> Client:
    return logged_in(client, UserType.TECHNICAL_WORKER)


def logged_in(client: Client, role: UserType) -> Client:
    client.force_login(User.objects.create_user(f"{role}@p.example", name="N", user_type=role))
    return client


def publish(broker: MemoryBroker, *records: Outgoing) -> None:
    broker.publish(records, lambda: True)


def page(client: Client, query: str = "") -> str:
    answer = client.get(f"/feed/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_shows_the_latest_changes_without_scripts(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    title = "<script>alert(1)</script>"
    publish(broker, *(outgoing(change("c", n, n), TOPIC) for n in range(1, 151)))
    publish(broker, outgoing(update(7, 200, title=title, diggs=9), TOPIC))
    shown = page(worker)
    assert shown.count("data-row") == 101  # 100 changes and the template row
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown
    assert "by 7" in shown
    assert 'href="/stories/7/"' in shown
    assert 'data-live="' in shown
    assert "Older" in shown


def test_management_sees_no_personal_fields(
    broker: MemoryBroker, history: MemoryHistory, client: Client
) -> None:
    publish(broker, outgoing(update(7, 200, user={"name": "Secret Person"}), TOPIC))
    shown = page(logged_in(client, UserType.SENIOR_MANAGEMENT))
    assert "Secret" not in shown
    assert "by 7" not in shown
    assert 'name="who"' not in shown
    assert '<option value="title">' in shown
    assert '<option value="user">' not in shown
    assert "1 personal field hidden." in shown
    ((partition, log),) = [(at.partition, log) for at, log in broker.logs.items() if log]
    whole = client.get(f"/feed/{partition}/{len(log) - 1}/").json()
    assert "user" not in whole
    assert "user" not in whole["after"]
    assert whole["after"]["title"] == "a story"


def test_form_and_links_keep_the_filter(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    publish(broker, *(outgoing(change("c", n, n), TOPIC) for n in range(1, 251)))
    publish(broker, outgoing(change("d", 7, 900), TOPIC))
    shown = page(worker, "?op=d&story=7")
    assert shown.count("data-row") == 2
    assert 'data-query="op=d&amp;story=7"' in shown
    assert 'value="d" checked' in shown
    assert "?op=c&amp;before=" in page(worker, "?op=c")
    shown = page(worker, "?field=diggs&topic=Harbours&who=9")
    assert all(f'value="{given}" maxlength' in shown for given in ("diggs", "Harbours", "9"))


def test_the_filter_suggests_the_fields_and_the_topics(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    with acting_as("test"):
        Story.objects.create(title="T", link="http://a.example/", topic={"name": '<b>"Q" & A'})
    shown = page(worker)
    assert '<option value="title"></option>' in shown
    assert '<option value="&lt;b&gt;&quot;Q&quot; &amp; A"></option>' in shown
    assert 'list="topic-names"' in shown


def test_each_condition_can_be_removed_alone(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    shown = page(worker, "?op=u&story=7&text=%3Cb%3E")
    assert "Title contains: <bdi>&lt;b&gt;</bdi>" in shown
    assert 'href="/feed/?op=u&amp;story=7"' in shown
    assert 'href="/feed/?op=u&amp;text=%3Cb%3E"' in shown
    assert "Submit a story" not in shown


def test_details_name_the_user_and_link_to_the_trace(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    person = User.objects.get()
    events = [
        replace(change("u", 5, 1), user=str(person.pk)),
        replace(change("d", 5, 2), user="an_import"),
        replace(change("c", 5, 3), user=str(2**70)),
    ]
    publish(broker, *(outgoing(event, TOPIC) for event in events))
    ((at, _),) = broker.logs.items()
    named, unnamed, large = (worker.get(f"/feed/{at.partition}/{n}/").json() for n in range(3))
    assert (named["page"], named["trace"]) == ("/stories/5/", "/stories/5/way/")
    assert named["user_name"] == person.name
    assert (unnamed["page"], unnamed["trace"], unnamed["user_name"]) == ("", "", "")
    assert large["user_name"] == ""


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?before=zebra", "invalid position in the feed"),
        ("?after=00000000.1%0a%0aevent:x", "invalid position in the feed"),
        ("?time=yesterday", "Enter a date and a time"),
        ("?time=2026-02-31T00:00", "Enter a date and a time"),
        ("?partition=x&offset=1", "whole numbers"),
        ("?offset=-1", "whole numbers"),
        ("?offset=1&partition=99", "no such partition"),
    ],
)
def test_an_invalid_query_is_explained(
    broker: MemoryBroker, history: MemoryHistory, worker: Client, query: str, said: str
) -> None:
    assert said in page(worker, query)


def test_a_jump_to_an_offset(broker: MemoryBroker, history: MemoryHistory, worker: Client) -> None:
    publish(broker, *(outgoing(change("c", 5, n), TOPIC) for n in range(1, 300)))
    ((at, _),) = broker.logs.items()
    shown = page(worker, f"?partition={at.partition}&offset=120")
    assert f"partition {at.partition}, offset 120<" in shown
    assert f"partition {at.partition}, offset 119<" not in shown
    assert "Newer" in shown
    assert 'data-follows="false"' in shown
    assert shown.count('id="asked"') == 1


def test_a_jump_to_a_time_prefers_the_history(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    publish(broker, *(outgoing(change("c", n, n), TOPIC) for n in range(1, 10)))
    shown = page(worker, "?time=2025-11-24T16:00:00.005Z")
    assert "come from Kafka, because the history has no matching changes" in shown
    assert shown.count("data-row") == 6
    history.events = [PastEvent(event=change("c", 77, 5), partition=1, offset=3)]
    shown = page(worker, "?time=2025-11-24T16:00")
    assert "come from the history" in shown
    assert "#77" in shown
    assert "delay 17 ms" in shown


def test_a_page_of_the_history_continues_in_both_directions(
    broker: MemoryBroker, history: MemoryHistory, worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Older` continues in Kafka, and `Newer` at the last change of the history that was read."""
    publish(broker, *(outgoing(change("c", 5, n), TOPIC) for n in range(1, 10)))
    events = [PastEvent(event=change("c", n, n), partition=1, offset=n) for n in (1, 2, 3)]
    first, last = (each.event.ts_ms for each in (events[0], events[-1]))
    begin, end = (datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat() for ms in (first, last))
    asked = f"?{urlencode({'time': begin, 'op': 'c'})}"
    newest = 'rel="prev" href="?op=c"'
    further = f"?op=c&amp;{urlencode({'time': end})}&amp;skip=1"
    history.events = events

    shown = page(worker, asked)
    assert f"?op=c&amp;before={wiring.topic_pages().at_time(first)}" in shown
    assert newest in shown
    monkeypatch.setattr(page_module, "_MOST_PAST_EVENTS", 3)
    assert f'rel="prev" href="{further}"' in page(worker, asked)


@pytest.mark.parametrize("most", [1_000, 70])
def test_newer_reaches_every_change_of_the_history(
    broker: MemoryBroker,
    history: MemoryHistory,
    worker: Client,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    """All changes that one statement makes have the same time."""
    monkeypatch.setattr(page_module, "_MOST_PAST_EVENTS", most)
    moments = [*range(30), *[100] * 350, *range(101, 180)]
    history.events = [
        PastEvent(
            event=replace(change("c", n, n), ts_ms=1_764_000_000_000 + moment),
            partition=1,
            offset=n,
        )
        for n, moment in enumerate(moments)
    ]
    found: list[int] = []
    query = "?time=2025-11-24T16:00"
    for _ in range(10):
        shown = page(worker, query)
        offsets = re.findall(r"partition 1, offset (\d+)<", shown)
        found += [int(offset) for offset in reversed(offsets)]
        links = re.findall(r'rel="prev" href="([^"]*time=[^"]*)"', shown)
        if not links:
            break
        query = links[0].replace("&amp;", "&")
    assert found == list(range(len(moments)))


def test_the_form_keeps_the_place_that_was_asked_for(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    shown = page(worker, "?time=2025-11-24T16:00&partition=2&offset=7")

    for name, value in {"time": "2025-11-24T16:00", "partition": "2", "offset": "7"}.items():
        assert f'name="{name}" value="{value}"' in shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2025-11-24T16:00:05.029Z", "2025-11-24T16:00:05"),
        ("2025-11-24T18:00:05%2B02:00", "2025-11-24T16:00:05"),
        ("2025-11-24T16:00:05", "2025-11-24T16:00:05"),
        ("yesterday", ""),
        ("0001-01-01T00:00%2B14:00", ""),
    ],
)
def test_a_time_has_the_format_that_browsers_accept(
    broker: MemoryBroker, history: MemoryHistory, worker: Client, given: str, shown: str
) -> None:
    assert f'name="time" value="{shown}"' in page(worker, f"?time={given}")


def test_details_come_from_kafka_or_else_from_the_history(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    publish(broker, outgoing(change("c", 5, 1, title="new"), TOPIC))
    ((at, _),) = broker.logs.items()
    assert worker.get(f"/feed/{at.partition}/0/").json()["after"]["title"] == "new"
    assert worker.get(f"/feed/{at.partition}/1/").status_code == 503
    history.events = [
        PastEvent(event=change("c", 5, 2, title="old"), partition=at.partition, offset=1)
    ]
    assert worker.get(f"/feed/{at.partition}/1/").json()["after"]["title"] == "old"
    assert worker.get(f"/feed/{at.partition}/2/").status_code == 404


def test_details_of_a_tombstone_are_those_of_its_delete(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    """The history may also have a change at the same place in a deleted topic."""
    publish(broker, tombstone(change("d", 5, 8), TOPIC))
    ((at, _),) = broker.logs.items()
    url = f"/feed/{at.partition}/0/"
    history.events = [PastEvent(event=change("c", 9, 3), partition=at.partition, offset=0)]
    assert worker.get(url).status_code == 404
    history.events = [PastEvent(event=change("d", 5, 8), partition=at.partition, offset=0)]
    assert worker.get(url).json()["version"] == [1, 8]


def test_the_page_reports_an_outage(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    broker.down = True
    shown = page(worker)
    assert "Kafka is not responding" in shown
    assert "The in-memory broker is down" in shown
    assert 'data-follows="true"' in shown
    assert 'data-follows="false"' in page(worker, "?time=2025-11-24T16:00")


def test_an_empty_topic(broker: MemoryBroker, history: MemoryHistory, worker: Client) -> None:
    assert "No changes yet." in page(worker)


def test_every_kind_of_change_has_an_icon(
    broker: MemoryBroker, history: MemoryHistory, worker: Client
) -> None:
    publish(broker, *(outgoing(change(op, n, n), TOPIC) for n, op in enumerate("cudr", 1)))
    publish(broker, replace(outgoing(change("c", 5, 5), TOPIC), value=b"no event"))
    shown = page(worker)
    used = set(re.findall(r'<use href="#(sf-op-\w)"', shown))
    assert used == {f"sf-op-{op}" for op in "cudrx"}
    assert all(re.search(rf'<svg [^>]*id="{icon}"[^>]*>\s*<', shown) for icon in used)


def test_management_sees_no_more_in_the_history_or_in_an_error(
    broker: MemoryBroker, history: MemoryHistory, client: Client
) -> None:
    logged_in(client, UserType.SENIOR_MANAGEMENT)
    event = update(7, 200, user={"name": "Secret Person"})
    history.events = [PastEvent(event=event, partition=1, offset=3)]
    whole = client.get("/feed/1/3/").json()
    assert whole["after"]["title"] == "a story"
    shown = page(client, "?time=2025-11-24T16:00")
    assert "#7" in shown
    assert not any("Secret" in text or "by 7" in text for text in (str(whole), shown))
    assert "#7" not in page(client, "?time=2025-11-24T16:00&field=user")

    broker.down = True
    shown = page(client)
    assert "Kafka is not responding" in shown
    assert "The in-memory broker is down" not in shown


NO_POSITION = "The address contains an invalid position in the feed: open the page without it."


@pytest.mark.parametrize("role", [UserType.CUSTOMER, UserType.TECHNICAL_WORKER])
def test_a_refused_stream_says_why(client: Client, role: UserType) -> None:
    logged_in(client, role)
    status, why = (403, "You don't have access to the feed.")
    if role is UserType.TECHNICAL_WORKER:
        status, why = (501, "The feed needs an ASGI server, such as uvicorn.")

    answer = client.get("/feed/stream")

    assert (answer.status_code, answer.content.decode()) == (status, f"{why}\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("given", "header"), [("zebra", ""), ("", "zebra"), ("00000000.1.1.1", "zebra")]
)
def test_an_invalid_position_is_refused(given: str, header: str) -> None:
    """A browser that reconnects sends its last position in a header, and its first in the URL."""
    client = AsyncClient()
    client.force_login(
        User.objects.create_user("w@p.example", name="N", user_type=UserType.TECHNICAL_WORKER)
    )
    headers = {"Last-Event-ID": header} if header else {}

    answer = async_to_sync(client.get)("/feed/stream", {"after": given}, headers=headers)

    assert (answer.status_code, answer.content.decode()) == (400, f"{NO_POSITION}\n")


@pytest.mark.parametrize(
    "time",
    [
        "1969-12-31T23:59:59",
        "1970-01-01T00:59:59%2B01:00",
        "1900-01-01T00:00",
        "0001-01-01T00:00",
        "0001-01-01T00:00%2B12:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_a_time_that_kafka_cannot_look_up_does_not_blame_kafka(
    broker: MemoryBroker, history: MemoryHistory, worker: Client, time: str
) -> None:
    shown = page(worker, f"?time={time}")
    assert "The time must be from 1970 to 9999" in shown
    assert "not responding" not in shown


@pytest.mark.parametrize("time", ["10000-01-01T00:00", "99999-01-01", "-0001-01-01T00:00", "1e9"])
def test_a_year_of_another_length_is_no_time(
    broker: MemoryBroker, history: MemoryHistory, worker: Client, time: str
) -> None:
    assert "Enter a date and a time" in page(worker, f"?time={time}")


@pytest.mark.parametrize("time", ["1970-01-01T00:00", "2026-01-01T00:00", "9999-12-31T23:59:59"])
def test_every_other_time_is_looked_up(
    broker: MemoryBroker, history: MemoryHistory, worker: Client, time: str
) -> None:
    shown = page(worker, f"?time={time}")
    assert "These changes come from Kafka" in shown


def test_a_wrong_setting_is_not_called_an_outage(
    broker: MemoryBroker, history: MemoryHistory, worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> MemoryTail:
        raise Misconfigured("KAFKA_CONFIG has 'nonsense': correct it.")

    pages = TopicPages(refuse, RENDERER.render)
    monkeypatch.setattr(wiring, "topic_pages", lambda: pages)
    shown = page(worker)
    assert "a setting is wrong" in shown
    assert "nonsense" in shown
    assert "not responding" not in shown


def test_a_slow_broker_is_called_slow(
    broker: MemoryBroker, history: MemoryHistory, worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(broker, *(outgoing(change("c", n, n), TOPIC) for n in range(1, 9)))
    monkeypatch.setattr(windows, "SECONDS", -1.0)
    monkeypatch.setattr(windows, "_late", lambda *_: windows.Slow("Kafka is slow."))
    shown = page(worker)
    assert "Kafka is slow" in shown
    assert "not responding" not in shown


@pytest.mark.parametrize("user", ["9" * 40, "-1", "x", "1\x00", "\ud800", "1.5"])
def test_a_user_that_is_no_key_has_no_name(user: str) -> None:
    """The text comes from a message, which may contain anything."""
    assert _name_of(user) == ""
