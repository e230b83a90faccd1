"""How many requests are admitted to Django at the same time, and which ones wait."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from project.dashboard import cache
from project.http import admission, request_body
from project.http.admission import Admission
from project.http.asgi_types import Message, Receive, Scope, Send
from project.http.refusal import REFUSED_REQUESTS
from tests.support.paths import ROOT

pytestmark = pytest.mark.usefixtures("no_database")
STREAM = "/feed/stream"
SECONDS = 60.0
OK: list[Message] = [
    {"type": "http.response.start", "status": 200, "headers": []},
    {"type": "http.response.body", "body": b"ok"},
]


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest-django refuses connections in the threads of these tests.
    monkeypatch.setattr("project.http.threads.close_old_connections", lambda: None)
    monkeypatch.setattr("project.http.threads.connections.close_all", lambda: None)


@pytest.fixture(autouse=True)
def patient_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, a request may wait long for a thread that is about to be free."""
    monkeypatch.setattr(admission, "_PATIENCE_SECONDS", SECONDS)


class Request:
    """A client's request, and what it has received."""

    def __init__(
        self,
        application: Admission,
        path: str = "/",
        *chunks: bytes,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self._messages: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
        ]
        self.gone = asyncio.Event()
        self.ends = True
        self.sent: list[Message] = []
        scope = {"type": "http", "path": path, "query_string": b"", "headers": headers}
        scope["http_version"] = "1.1"
        self.task = asyncio.create_task(self._run(application, scope))

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"]) if self.sent else 0

    @property
    def has_been_read(self) -> bool:
        return not self.ends

    @property
    def retry_after(self) -> int:
        return int(dict(self.sent[0]["headers"])[b"retry-after"])

    def all_in_one(self) -> None:
        """Let the body arrive as one message."""
        self._messages[:] = [{**self._messages[0], "more_body": False}]
        self.ends = False

    async def done(self) -> int:
        await asyncio.wait_for(self.task, SECONDS)
        return self.status

    async def _run(self, application: Admission, scope: Scope) -> None:
        await application(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        if self.ends:
            self.ends = False
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)


class Site:
    """An application whose pages are ready when the test says so."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.bodies: list[bytes] = []
        self.begun = 0
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append((await receive())["body"])
        self.begun += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if scope["path"] in {"/", "/stories/"}:
            await self.ready.wait()
        self.at_once -= 1
        await send(OK[0])
        if scope["path"] == STREAM:
            await self.ready.wait()
        await send(OK[1])


def admitted(application: Callable[..., Awaitable[None]], pages: int = 2) -> Admission:
    return Admission(application, pages=pages, stream_path=STREAM, streams=3)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(round(SECONDS * 1_000)):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError(true)


def refused(status: int) -> float:
    samples = [sample for metric in REFUSED_REQUESTS.collect() for sample in metric.samples]
    of_status = [s for s in samples if s.labels == {"status": str(status)}]
    return sum(s.value for s in of_status if s.name.endswith("_total"))


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_further_requests_wait() -> None:
    async def test() -> None:
        site = Site()
        application = admitted(site)
        requests = [Request(application) for _ in range(50)]
        await until(lambda: site.begun == 2)
        site.ready.set()
        assert {await request.done() for request in requests} == {200}
        assert site.most_at_once == 2

    run(test)


def test_overload_is_status_503_and_is_over_with_the_burst(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "_PATIENCE_SECONDS", 0.05)

    async def test() -> None:
        site = Site()
        application = admitted(site)
        refused_before = refused(503)
        requests = [Request(application) for _ in range(100)]
        for request in requests[2:]:
            assert await request.done() == 503
        assert site.begun == 2
        assert refused(503) - refused_before == 98
        times = {request.retry_after for request in requests[2:]}
        assert min(times) >= 1
        assert len(times) > 3  # the clients do not come back together
        monkeypatch.setattr(admission, "_PATIENCE_SECONDS", SECONDS)
        site.ready.set()
        assert await Request(application).done() == 200

    run(test)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/static/site.css"])
def test_probes_and_static_files_do_not_wait_for_pages(path: str) -> None:
    async def test() -> None:
        site = Site()
        application = admitted(site)
        pages = [Request(application) for _ in range(20)]
        await until(lambda: site.begun == 2)
        assert await Request(application, path).done() == 200
        site.ready.set()
        await asyncio.gather(*(page.done() for page in pages))

    run(test)


@pytest.mark.parametrize("path", ["/healthz/", "/healthz-x", "/readyz/x", "/metrics1"])
def test_missing_addresses_do_not_use_the_threads_of_probes(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(admission, "_PATIENCE_SECONDS", 0.01)

    async def test() -> None:
        site = Site()
        application = admitted(site)
        pages = [Request(application) for _ in range(2)]
        await until(lambda: site.begun == 2)
        assert await Request(application, path).done() == 503
        site.ready.set()
        await asyncio.gather(*(page.done() for page in pages))

    run(test)


def test_response_that_has_started_needs_no_thread() -> None:
    async def test() -> None:
        site = Site()
        application = admitted(site)
        streams = [Request(application, STREAM) for _ in range(3)]
        await until(lambda: [stream.status for stream in streams] == [200] * 3)
        assert await Request(application, "/login/").done() == 200
        site.ready.set()
        await asyncio.gather(*(stream.done() for stream in streams))

    run(test)


def test_streams_leave_connections_for_pages() -> None:
    async def test() -> None:
        site = Site()
        application = admitted(site)
        streams = [Request(application, STREAM) for _ in range(3)]
        await until(lambda: site.begun == 3)
        surplus = Request(application, STREAM)
        assert await surplus.done() == 503
        assert 1 <= surplus.retry_after <= 10
        site.ready.set()
        await asyncio.gather(*(stream.done() for stream in streams))
        assert await Request(application, STREAM).done() == 200

    run(test)


def test_requests_for_streams_that_have_not_arrived_take_no_stream() -> None:
    async def test() -> None:
        site = Site()
        site.ready.set()
        application = admitted(site)
        slow = [Request(application, STREAM, b"x") for _ in range(5)]
        for request in slow:
            request.ends = False
        await asyncio.sleep(0.01)
        assert await Request(application, STREAM).done() == 200
        for request in slow:
            request.gone.set()
            await request.done()

    run(test)


def test_client_that_leaves_loses_its_place() -> None:
    async def test() -> None:
        site = Site()
        application = admitted(site)
        first = [Request(application) for _ in range(2)]
        waiting = [Request(application) for _ in range(20)]
        last = Request(application)
        await until(lambda: site.begun == 2)
        for request in waiting:
            request.gone.set()
        for request in waiting:
            await request.done()
        site.ready.set()
        assert [await request.done() for request in (*first, last)] == [200] * 3
        assert site.begun == 3

    run(test)


def test_view_keeps_its_thread_after_its_client_has_left() -> None:
    async def test() -> None:
        finish = threading.Event()
        started = threading.Event()

        def view() -> None:
            started.set()
            finish.wait(SECONDS)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/slow/":
                await sync_to_async(view)()
            await send(OK[0])

        one = admitted(application, pages=1)
        slow = Request(one, "/slow/")
        await until(started.is_set)
        slow.task.cancel()
        quick = Request(one)
        await asyncio.sleep(0.05)
        assert not quick.sent
        finish.set()
        assert await quick.done() == 200

    run(test)


def test_requests_reuse_threads_until_their_responses_start() -> None:
    async def test() -> None:
        names: list[str] = []

        def note() -> None:
            names.append(threading.current_thread().name)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await sync_to_async(note)()
            await sync_to_async(note)()
            await send(OK[0])
            await sync_to_async(note)()

        one = admitted(application, pages=1)
        for _ in range(20):
            await Request(one).done()
        assert len(set(names)) <= 3
        assert all(name.startswith("afterwards") for name in names[2::3])
        assert len({*names[0::3], *names[1::3]}) == 1

    run(test)


def test_failing_view_gives_its_thread_back() -> None:
    async def test() -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/fails/":
                raise ZeroDivisionError
            await send(OK[0])

        one = admitted(application, pages=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await Request(one, "/fails/").done()
        assert await Request(one).done() == 200

    run(test)


def test_body_arrives_before_the_request_takes_a_thread() -> None:
    async def test() -> None:
        site = Site()
        application = admitted(site, pages=1)
        slow = Request(application, "/", b"a=", b"1")
        slow.ends = False  # the rest of the body does not arrive
        await asyncio.sleep(0.01)
        quick = Request(application, "/login/", b"b=", b"2")
        assert await quick.done() == 200
        assert site.bodies == [b"b=2"]
        slow.gone.set()
        await slow.done()
        assert not slow.sent

    run(test)


LARGE = b"x" * 1_000_000


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/site.css", STREAM])
@pytest.mark.parametrize("chunks", [(), (LARGE,) * 3])
def test_large_body_is_status_413(path: str, chunks: tuple[bytes, ...]) -> None:
    headers = () if chunks else ((b"content-length", b"3000000"),)

    async def test() -> None:
        site = Site()
        request = Request(admitted(site), path, *chunks, headers=headers)
        assert await request.done() == 413
        assert site.begun == 0

    run(test)


CLOSE, EXPECT = (b"connection", b"TE, Close"), (b"expect", b"100-continue")


LENGTH = (b"content-length", b"4000000")


@pytest.mark.parametrize(
    ("headers", "is_read"),
    [
        ((), False),
        ((LENGTH,), False),
        ((CLOSE,), True),
        ((CLOSE, LENGTH), True),
        ((CLOSE, EXPECT), True),
        ((CLOSE, EXPECT, LENGTH), False),  # the client has not begun to send
    ],
)
def test_large_body_is_read_before_its_connection_closes(
    headers: tuple[tuple[bytes, bytes], ...], is_read: bool
) -> None:
    async def test() -> None:
        request = Request(admitted(Site()), "/", *(LARGE,) * 4, headers=headers)
        assert await request.done() == 413
        assert request.has_been_read is is_read

    run(test)


def test_a_body_that_has_arrived_is_not_awaited_again() -> None:
    async def test() -> None:
        request = Request(admitted(Site()), "/", b"x" * 2_700_000, headers=(CLOSE,))
        request.all_in_one()
        assert await request.done() == 413

    run(test)


@pytest.mark.parametrize(
    "kind",
    [
        b"text/plain; a*=no-such-encoding''%ff",
        b"text/plain; a*%b=x; a*0=y" % (b"9" * 5_000),
        b"multipart/form-data; boundary*=rot13''x",
        b"application/x-www-form-urlencoded; charset*=utf-8''%00",
    ],
)
def test_encoded_content_type_is_status_400(kind: bytes) -> None:
    async def test() -> None:
        site = Site()
        headers = ((b"content-type", kind),)
        assert await Request(admitted(site), "/login/", headers=headers).done() == 400
        assert not site.bodies

    run(test)


def test_large_bodies_of_all_requests_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "_LARGEST_TOTAL", 2_500_000)

    async def test() -> None:
        site = Site()
        application = admitted(site)
        large = [Request(application, "/", LARGE) for _ in range(5)]
        small = Request(application, "/login/", b"x" * 60_000)
        for request in large[2:]:
            assert await request.done() == 503
        site.ready.set()
        assert [await request.done() for request in (*large[:2], small)] == [200] * 3
        again = [Request(application, "/", LARGE) for _ in range(2)]
        assert [await request.done() for request in again] == [200] * 2

    run(test)


def test_the_manual_names_the_other_database_connections() -> None:
    manual = (ROOT / "docs" / "operating.md").read_text()
    counts = f"(probes and `/static/` 9, background queries {4 + cache.AT_ONCE}, streams 1, "
    assert f"{counts}work after responses 2) | {admission.OTHER_CONNECTIONS} |" in manual
    assert admission.OTHER_CONNECTIONS == 9 + 4 + cache.AT_ONCE + 1 + 2
