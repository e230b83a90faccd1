"""Starts the export with OpenTelemetry's SDK. This module is imported only if traces are exported.

The SDK reads many environment variables when it is imported, and fails if one is invalid.
"""

import atexit
from collections.abc import Iterable
from importlib.metadata import EntryPoint

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from cdc.runtime import tracing


def start(exporters: Iterable[EntryPoint], service: str, delay_ms: int | None) -> None:
    """Export all spans of this process, unless the application has a provider of its own.

    `service` is the name of the service; if it is empty, the environment contains the name.
    `delay_ms` is the time between two exports; if it is None, the environment contains the time.
    """
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    resource = Resource.create({SERVICE_NAME: service} if service else {})
    # The provider's own handler would wait for a collector that is not reachable.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in exporters:
        processor = BatchSpanProcessor(exporter.load()(), schedule_delay_millis=delay_ms)
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    tracing.use(provider, provider)
    atexit.register(tracing.flush)
