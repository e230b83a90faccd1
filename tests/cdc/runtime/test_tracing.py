"""Spans of requests and of the steps of the pipeline."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode

from cdc.context import current_traceparent as given_traceparent
from cdc.context import traced
from cdc.runtime import tracing
from cdc.runtime.tracing import Step, Traced, current_traceparent, request_span, sampled
from tests.support.paths import ROOT
from tests.support.traces import PARENT, SAMPLED, TRACE, UNSAMPLED, Spans, attributes, recorded

MS = 1_000_000


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded() as found:
        yield found


def message(traceparent: str = SAMPLED, since: int | None = 1_000, number: int = 1) -> Traced:
    return Traced(
        traceparent=traceparent, waiting_since_ms=since, attributes={"change.outbox_id": number}
    )


def step(error: str = "", started: int = 3_000, ended: int = 3_500) -> Step:
    return Step(
        name="publish",
        topic="orders",
        sends=True,
        waited_in="outbox",
        started_ns=started * MS,
        ended_ns=ended * MS,
        error=error,
        attributes={"change.batch.records": 4},
    )


def test_a_request_continues_the_trace_of_its_caller(spans: Spans) -> None:
    with request_span("POST", {"traceparent": SAMPLED, "tracestate": "a=b"}) as span:
        inside = current_traceparent()
        span.answered("POST", "stories/<int:pk>/", 200)
    (ended,) = spans.ended
    assert (ended.name, ended.kind) == ("POST /stories/<int:pk>/", SpanKind.SERVER)
    assert ended.parent is not None
    assert ended.context is not None
    assert (ended.parent.span_id, ended.context.trace_id) == (PARENT, TRACE)
    assert ended.context.trace_state.get("a") == "b"
    assert inside[:35] == SAMPLED[:35]
    assert int(inside[36:52], 16) == ended.context.span_id
    assert attributes(ended) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/stories/<int:pk>/",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": "nonsense"},
        {"traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01"},
        {"traceparent": SAMPLED.upper()},
        {"traceparent": f"{SAMPLED}-extra"},
        {"traceparent": "ü" * 55, "tracestate": "=,=,\n"},
        {"traceparent": "00-" * 10_000},
    ],
    ids=str,
)
def test_a_malformed_traceparent_begins_a_new_trace(
    spans: Spans, headers: Mapping[str, str]
) -> None:
    with request_span("GET", headers):
        inside = current_traceparent()
    (ended,) = spans.ended
    assert ended.parent is None
    assert ended.context is not None
    assert int(inside[3:35], 16) == ended.context.trace_id != TRACE


def test_a_server_error_is_marked_and_an_unknown_method_is_not_repeated(spans: Spans) -> None:
    with request_span("PASSWORD", {}) as span:
        span.answered("PASSWORD", None, 503)
    (ended,) = spans.ended
    assert (ended.name, ended.status.status_code) == ("_OTHER", StatusCode.ERROR)


def test_a_span_of_another_library_is_used_instead_of_a_second_one(spans: Spans) -> None:
    tracer = spans.provider.get_tracer("other")
    with tracer.start_as_current_span("theirs"), request_span("GET", {"traceparent": SAMPLED}):
        inside = current_traceparent()
    (theirs,) = spans.ended
    assert theirs.context is not None
    assert int(inside[36:52], 16) == theirs.context.span_id


def test_the_active_span_is_the_trace_of_a_change(spans: Spans) -> None:
    with traced(UNSAMPLED):
        assert current_traceparent() == given_traceparent() == UNSAMPLED
        with spans.provider.get_tracer("job").start_as_current_span("import"):
            assert current_traceparent()[:3] == "00-"
            assert current_traceparent() != UNSAMPLED


def test_a_request_that_the_sampler_drops_has_an_unsampled_traceparent() -> None:
    with recorded(ALWAYS_OFF) as spans, request_span("GET", {}):
        inside = current_traceparent()
        assert int(inside[-2:], 16) & 1 == 0
        assert sampled([("traceparent", inside.encode())]) == ""
    assert spans.names == []


def test_the_wait_and_the_step_are_below_the_request(spans: Spans) -> None:
    tracing.record(step(), [message()])
    wait, publish = spans.ended
    assert [span.name for span in spans.ended] == ["wait in outbox", "publish orders"]
    assert {span.parent.span_id for span in spans.ended if span.parent} == {PARENT}
    assert {span.context.trace_id for span in spans.ended if span.context} == {TRACE}
    assert (wait.start_time, wait.end_time) == (1_000 * MS, 3_000 * MS)
    assert (publish.start_time, publish.end_time) == (3_000 * MS, 3_500 * MS)
    assert publish.kind is SpanKind.PRODUCER
    assert attributes(publish) == {
        "messaging.system": "kafka",
        "messaging.destination.name": "orders",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "change.batch.records": 4,
        "change.outbox_id": 1,
        "change.wait.outbox_ms": 2_000.0,
    }


@pytest.mark.parametrize("since", [0, 1, 2_999, 3_000, 99_999_999_999])
def test_another_clock_causes_no_negative_time(spans: Spans, since: int) -> None:
    tracing.record(step(ended=2_000), [message(since=since)])
    for span in spans.ended:
        assert span.start_time is not None
        assert span.end_time is not None
        assert 0 <= span.start_time <= span.end_time
    waits = [attributes(span).get("change.wait.outbox_ms", 0) for span in spans.ended]
    assert min(waits) >= 0


def test_an_unknown_wait_has_no_span(spans: Spans) -> None:
    tracing.record(step(error="refused"), [message(since=None)])
    (span,) = spans.ended
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "refused")


def test_a_large_request_has_few_spans(spans: Spans) -> None:
    other = SAMPLED.replace("b7ad", "b7ae")
    messages = [message(number=number) for number in range(1_000)]
    tracing.record(step(), [*messages, message(other)])
    published = [span for span in spans.ended if span.kind is SpanKind.PRODUCER]
    assert len(published) == 12
    rest = [attributes(span).get("messaging.batch.message_count") for span in published]
    assert [count for count in rest if count] == [990]


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ((), ""),
        ((("traceparent", SAMPLED.encode()),), SAMPLED),
        ((("traceparent", UNSAMPLED.encode()),), ""),
        ((("traceparent", None),), ""),
        ((("traceparent", b"\xff" * 55),), ""),
        ((("traceparent", b"00-1-2-01"),), ""),
        ((("traceparent", SAMPLED.encode() + b"\n"),), ""),
        ((("traceparent", b"x"), ("traceparent", SAMPLED.encode())), ""),
    ],
    ids=str,
)
def test_only_a_valid_sampled_message_has_spans(
    spans: Spans, headers: tracing.Headers, found: str
) -> None:
    assert sampled(headers) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"1764000000000", 1_764_000_000_000),
        (b"-1", None),
        (b"1" * 14, None),
        (b"", None),
        (None, None),
        (b"1e9", None),
        ("²".encode(), None),
    ],
)
def test_a_time_in_a_header_may_be_anything(value: bytes | None, found: int | None) -> None:
    headers = [("other", b"1"), ("published_ms", value)]
    assert tracing.milliseconds(headers, "published_ms") == found
    assert tracing.identity([("epoch", value), ("outbox_id", b"12")])["change.outbox_id"] == 12


def test_without_a_provider_nothing_is_recorded() -> None:
    assert not tracing.enabled()
    with request_span("GET", {"traceparent": SAMPLED}) as span:
        span.answered("GET", "", 200)
        assert not trace.get_current_span().get_span_context().is_valid
    assert sampled([("traceparent", SAMPLED.encode())]) == ""
    tracing.record(step(), [message()])


def test_a_provider_of_the_application_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = Spans(ALWAYS_ON)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)
    with request_span("GET", {}):
        pass
    assert spans.names == ["GET"]


def test_a_collector_that_does_not_respond_does_not_delay_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 0.01)
    ended = threading.Event()

    class Hanging:
        def shutdown(self) -> None:
            ended.wait(600)

    monkeypatch.setattr(tracing, "_exporting", Hanging())
    with tracing.flushing():
        pass
    assert not ended.is_set()
    tracing.flush()
    ended.set()


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
"""


def run(program: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


WRITE_AND_APPLY = """
import django
django.setup()
from django.core.management import call_command
from django.conf import settings
from cdc.models import OutboxRecord
from cdc.context import traced
from cdc.runtime import tracing
from cdc.testing.feed import MemoryFeed
from stories.models import Story
settings.ALLOWED_HOSTS = ["testserver"]
call_command("migrate", verbosity=0)
SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
feed = MemoryFeed()
with traced(SAMPLED), tracing.flushing():
    story = Story.objects.create(title="a", href="http://example.org/")
assert OutboxRecord.objects.get().traceparent == SAMPLED
feed.run()
assert feed.documents("stories_story")[story.pk]["title"] == "a"
from django.test import Client
assert Client().get("/customer/", headers={"traceparent": SAMPLED}).status_code == 302
from cdc.doctor.settings import check_settings
import sys
assert not [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]
"""


@pytest.mark.slow
@pytest.mark.parametrize("exporter", ["", "otlp"])
def test_without_the_package_everything_works(exporter: str) -> None:
    memory = {"DATABASE_URL": "sqlite://:memory:", "OTEL_TRACES_EXPORTER": exporter}
    done = run(BLOCKED + WRITE_AND_APPLY, DJANGO_SECRET_KEY="x" * 50, **memory)
    assert done.returncode == 0, done.stderr
    assert ("traces.off" in done.stderr) == (exporter == "otlp")
