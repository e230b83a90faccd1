"""Records OpenTelemetry spans of a change, if OpenTelemetry is installed and an exporter is named.

The span of a request is the parent of all steps of its changes: the outbox row and the Kafka
message carry its context as a `traceparent`. The steps are recorded after they have ended, and only
if the `traceparent` is sampled. `cdc.runtime.trace_export` configures the export.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cdc import __version__, context

try:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, Tracer, TracerProvider

PUBLISHED = "published_ms"
"""The header with a sampled message's time of publication, in milliseconds since 1970."""
FLUSH_SECONDS = 1.0
"""How long the end of a process waits for the export of the last spans."""
_TRACEPARENT = "traceparent"
_SPANS_OF_A_REQUEST = 10
"""How many messages of one request have their own span in a batch. All further messages share one
span."""
_METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
)
_SERVER_ERROR = 500
_DIGITS_OF_64_BITS = 19
_NS_OF_A_MS = 1_000_000
Attributes = Mapping[str, str | int | float]
Headers = Sequence[tuple[str, bytes | None]]


class Exporting(Protocol):
    """A tracer provider whose spans are exported in the background."""

    def shutdown(self) -> None:
        """Export the remaining spans; may block."""


_provider: "TracerProvider | None" = None
_exporting: Exporting | None = None


def use(provider: "TracerProvider", exporting: Exporting | None = None) -> None:
    """Create all spans with `provider`, and shut `exporting` down in `flush`."""
    global _provider, _exporting
    _provider, _exporting = provider, exporting


def flush() -> None:
    """Export the remaining spans, and end the export; give up after `FLUSH_SECONDS`."""
    global _exporting
    ending, _exporting = _exporting, None
    if ending is not None:
        # An exporter may wait much longer for a collector that is not reachable.
        thread = threading.Thread(target=ending.shutdown, name="last spans", daemon=True)
        thread.start()
        thread.join(FLUSH_SECONDS)


@contextmanager
def flushing() -> Iterator[None]:
    """Call `flush` at the end of the block."""
    try:
        yield
    finally:
        flush()


def current_traceparent() -> str:
    """Return the `traceparent` of the active span or, without a span, of the request."""
    if INSTALLED:
        active = trace.get_current_span().get_span_context()
        if active.is_valid:
            return f"00-{active.trace_id:032x}-{active.span_id:016x}-{active.trace_flags:02x}"
    return context.current_traceparent()


class RequestSpan:
    """The span of a web request; does nothing if there is no span."""

    def __init__(self, span: "Span | None" = None) -> None:
        self._span = span

    def answered(self, method: str, route: str | None, status: int) -> None:
        """Name the span after the route, and add the status of the response.

        A path may contain a secret, such as the token of a password reset, so it is not used.
        """
        if self._span is None:
            return
        self._span.set_attribute("http.response.status_code", status)
        if route is not None:
            self._span.set_attribute("http.route", f"/{route}")
            self._span.update_name(f"{_method(method)} /{route}")
        if status >= _SERVER_ERROR:
            self._span.set_status(trace.StatusCode.ERROR)


@contextmanager
def request_span(method: str, headers: Mapping[str, str]) -> Iterator[RequestSpan]:
    """Run the block in the span of a web request, which continues the trace in its headers.

    If another library has already begun a span of the request, do not begin a second one.
    """
    tracer = _tracer()
    if tracer is None or trace.get_current_span().get_span_context().is_valid:
        yield RequestSpan()
        return
    carried = {name: headers.get(name, "") for name in (_TRACEPARENT, "tracestate")}
    span = tracer.start_span(
        _method(method),
        TraceContextTextMapPropagator().extract(carried, Context()),
        trace.SpanKind.SERVER,
        {"http.request.method": _method(method)},
    )
    # The text of an error may contain data.
    with trace.use_span(span, end_on_exit=True, record_exception=False):
        yield RequestSpan(span)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A sampled message in one step of the pipeline."""

    traceparent: str
    waiting_since_ms: int | None
    """When the wait before this step began; None if this is not known."""
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the pipeline that has ended, and that handled a whole batch."""

    name: str
    """The name of the step, such as `publish`."""
    topic: str
    sends: bool
    """Whether the step writes to Kafka; otherwise, the step reads from Kafka."""
    waited_in: str
    """Where a message waits before this step, such as `outbox`."""
    started_ns: int
    ended_ns: int
    error: str = ""
    attributes: Attributes = field(default_factory=dict)


def sampled(headers: Headers) -> str:
    """Return the `traceparent` of a message; empty if the message must have no spans."""
    for name, value in headers:
        if name == _TRACEPARENT:
            text = (value or b"").decode("ascii", "replace")
            parent = _remote(text) if enabled() else None
            return text if parent is not None and parent.trace_flags.sampled else ""
    return ""


def milliseconds(headers: Headers, name: str) -> int | None:
    """Return the time in a header; None if the header is missing or contains no valid time."""
    for found, value in headers:
        if found == name:
            digits = value or b""
            return int(digits) if digits.isdigit() and len(digits) <= len("1764000000000") else None
    return None


def identity(headers: Headers) -> dict[str, str | int | float]:
    """Return the attributes by which the spans of one change can be found."""
    found = {name: value or b"" for name, value in headers}
    return {
        f"change.{name}": int(found[name])
        for name in ("epoch", "outbox_id")
        if found.get(name, b"").isdigit() and len(found[name]) < _DIGITS_OF_64_BITS
    }


def enabled() -> bool:
    """Return whether spans are recorded in this process."""
    return _active_provider() is not None


def now_ns() -> int:
    """Return the time of this machine, in nanoseconds since 1970."""
    return time.time_ns()


def record(step: Step, messages: Iterable[Traced]) -> None:
    """Record the spans of a step, as children of the span of each message's request.

    The number of spans is bounded: from the eleventh message of a request on, one span represents
    all further messages in the batch.
    """
    tracer = _tracer()
    if tracer is None:
        return
    requests: defaultdict[str, list[Traced]] = defaultdict(list)
    for message in messages:
        requests[message.traceparent].append(message)
    for traceparent, found in requests.items():
        parent = _remote(traceparent)
        if parent is not None:
            own, others = found[:_SPANS_OF_A_REQUEST], found[_SPANS_OF_A_REQUEST:]
            for group in [*([message] for message in own), *([others] if others else [])]:
                _record(tracer, parent, step, group)


def _record(
    tracer: "Tracer", parent: "SpanContext", step: Step, messages: Sequence[Traced]
) -> None:
    ctx = trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())
    attributes = {
        "messaging.system": "kafka",
        "messaging.destination.name": step.topic,
        "messaging.operation.name": step.name,
        "messaging.operation.type": "send" if step.sends else "process",
        **step.attributes,
    }
    if len(messages) == 1:
        attributes |= messages[0].attributes
    else:
        attributes["messaging.batch.message_count"] = len(messages)
    since = min((at for each in messages if (at := each.waiting_since_ms)), default=None)
    if since is not None:
        # A different machine, with its own clock, may have set the time.
        began = min(since * _NS_OF_A_MS, step.started_ns)
        waited = round((step.started_ns - began) / _NS_OF_A_MS, 3)
        attributes[f"change.wait.{step.waited_in}_ms"] = waited
        wait = tracer.start_span(f"wait in {step.waited_in}", ctx, start_time=began)
        wait.end(step.started_ns)
    kind = trace.SpanKind.PRODUCER if step.sends else trace.SpanKind.CONSUMER
    name = f"{step.name} {step.topic}"
    span = tracer.start_span(name, ctx, kind, attributes, start_time=step.started_ns)
    if step.error:
        span.set_status(trace.StatusCode.ERROR, step.error)
    span.end(max(step.ended_ns, step.started_ns))


def _active_provider() -> "TracerProvider | None":
    if not INSTALLED:
        return None
    provider = _provider or trace.get_tracer_provider()
    idle = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
    return None if isinstance(provider, idle) else provider


def _tracer() -> "Tracer | None":
    provider = _active_provider()
    return None if provider is None else provider.get_tracer("cdc", __version__)


def _remote(traceparent: str) -> "SpanContext | None":
    found = context.TRACEPARENT.match(traceparent)
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags))


def _method(method: str) -> str:
    return method if method in _METHODS else "_OTHER"
