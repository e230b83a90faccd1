"""The event stream of a real web process with a real Kafka."""

import http.client
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cdc.conf import CdcSettings
from cdc.context import acting_as
from cdc.feed.position import FeedBounds
from cdc.feed.stream import CHECK_SECONDS
from cdc.models import OutboxRecord
from cdc.outbox.relay import _outgoing
from cdc.registry import registry
from cdc.wire.records import Outgoing
from stories.models import Story
from tests.acceptance.conftest import environment
from tests.support.web import SECONDS, Stream, Topic, Web, session_of
from users.models import User, UserType

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
HOSTILE_TITLE = "</script><script>alert(1)</script>\n\nevent: bye\ndata: {}"


@pytest.fixture
def web(
    transactional_db: None, topic: Topic, feed_settings: CdcSettings, tmp_path: Path
) -> Iterator[Web]:
    with Web(tmp_path / "web.log", environment(feed_settings, tmp_path)) as web:
        yield web


@pytest.fixture
def worker(transactional_db: None) -> User:
    return User.objects.create_user(
        "w@people.example", name="W", user_type=UserType.TECHNICAL_WORKER
    )


def test_readers_reconnect_and_a_stop_ends_all_streams(
    web: Web, topic: Topic, worker: User
) -> None:
    topic.publish(20)
    cookie = session_of(worker)
    first, stays = Stream(web, cookie).begun(), Stream(web, cookie).begun()
    assert first.response.headers["Content-Type"] == "text/event-stream"
    assert first.response.headers["Content-Encoding"] == "identity"
    assert first.response.headers["Cache-Control"] == "no-store"
    topic.publish(300)
    first.until(lambda: len(first.frames.places) >= 100)
    first.cut()
    topic.publish(300)
    again = Stream(web, cookie, last_id=first.frames.last_id)
    again.until(lambda: len(first.frames.places) + len(again.frames.places) == 600)
    places = first.frames.places + again.frames.places
    assert len(set(places)) == 600
    # From the start of the topic, so that the older events are read from Kafka, not from memory.
    start = str(FeedBounds.of(topic.tail.bounds()).first)
    old = Stream(web, cookie, query=f"?after={start}")
    old.until(lambda: len(old.frames.places) == 620)
    assert set(old.frames.places) == topic.everything

    web.process.send_signal(signal.SIGTERM)
    # Without the end of the stream, uvicorn would wait indefinitely for the open response.
    assert web.process.wait(SECONDS) in {0, -signal.SIGTERM}
    for stream in (stays, again, old):
        assert stream.ended.wait(SECONDS)
        assert not stream.frames.named("bye")


def test_hostile_stories_and_messages_do_not_break_the_stream(
    web: Web, topic: Topic, worker: User
) -> None:
    before = registry.find(Story)
    assert before is not None
    stream = Stream(web, session_of(worker)).begun()
    registry.register(replace(before, topic=topic.name))
    try:
        link = "http://a.example/"
        with acting_as(HOSTILE_TITLE):
            Story.objects.create(
                title=HOSTILE_TITLE, description="x" * 60_000, href=link, link=link
            )
    finally:
        registry.register(before)
    topic.send(_outgoing(list(OutboxRecord.objects.order_by("id")))[0])
    junk = [b"\n\nevent: bye\ndata: {}\n\n", b"", b"{}", b"\xff" * 70_000, b"[" * 100_000]
    topic.send(
        [
            Outgoing(topic=topic.name, key=b"k", value=value, headers=(), timestamp_ms=1)
            for value in junk
        ]
    )
    topic.publish(3)
    stream.until(lambda: len(stream.frames.places) == 9)
    assert {name for name, _ in stream.frames.events} == {"state", "here", "change"}
    created = [data for data in stream.frames.named("change") if data["op"] == "c"]
    (story,) = [data for data in created if data["title"] != "t"]
    assert "\n" not in story["title"] + story["who"]
    assert "<script>" in story["title"]  # the page renders it as text
    assert [data["op"] for data in stream.frames.named("change")].count("") == 5


def test_losing_the_role_ends_the_stream(
    web: Web, worker: User, record_property: Callable[[str, object], None]
) -> None:
    manager = User.objects.create_user(
        "m@people.example", name="M", user_type=UserType.SENIOR_MANAGEMENT
    )
    stays = Stream(web, session_of(manager)).begun()
    goes = Stream(web, session_of(worker)).begun()
    worker.user_type = UserType.CUSTOMER
    worker.save()
    began = time.monotonic()
    assert goes.ended.wait(4 * CHECK_SECONDS)
    record_property("seconds", round(time.monotonic() - began, 1))
    assert goes.frames.events[-1][0] == "bye"
    assert not stays.ended.is_set()
    assert Stream(web, session_of(worker)).response.status == 403


def test_a_stalled_reader_does_not_block_others_and_is_dropped(
    web: Web, topic: Topic, worker: User
) -> None:
    cookie = session_of(worker)
    quick = Stream(web, cookie).begun()
    # Connections inherit the option. Its usual value is 60 s.
    web.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2_000)
    stalled = [http.client.HTTPConnection(web.url.removeprefix("http://")) for _ in range(6)]
    start = FeedBounds.of(topic.tail.bounds()).first
    for connection in stalled:
        path = f"/feed/stream?after={start}"
        connection.request("GET", path, headers={"Cookie": f"sessionid={cookie}"})
        assert connection.getresponse().status == 200  # the body is never read
    topic.publish(4_000, title="t" * 250)
    quick.until(lambda: len(quick.frames.places) == 4_000)
    process = psutil.Process(web.process.pid)
    ports = {connection.sock.getsockname()[1] for connection in stalled}
    quick.until(
        lambda: not ports & {each.raddr.port for each in process.net_connections() if each.raddr}
    )
    assert not quick.ended.is_set()
