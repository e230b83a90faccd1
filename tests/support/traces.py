"""Spans that are kept in memory or printed to a log."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from cdc.runtime import tracing

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = f"{SAMPLED[:-2]}00"
TRACE, PARENT = int(SAMPLED[3:35], 16), int(SAMPLED[36:52], 16)


class Spans:
    """The spans that this process has ended."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def ended(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.ended]

    def named(self, name: str) -> ReadableSpan:
        (span,) = (span for span in self.ended if span.name == name)
        return span


@contextmanager
def recorded(sampler: Sampler | None = None) -> Iterator[Spans]:
    """Record all spans of the block."""
    spans = Spans(sampler)
    before = tracing._provider
    tracing.use(spans.provider)
    try:
        yield spans
    finally:
        tracing._provider = before


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.trace_id)


def printed(log: str) -> list[dict[str, Any]]:
    """Return the spans that the exporter `console` has printed to a log, among other lines."""
    found, decoder, at = [], json.JSONDecoder(), log.find("{\n")
    while at >= 0:
        span, end = decoder.raw_decode(log, at)
        found.append(span)
        at = log.find("{\n", end)
    return found
