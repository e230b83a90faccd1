"""The metrics registry of one process: its release, its resource use, and other collectors."""

import threading

from prometheus_client import CollectorRegistry, Gauge, Info, ProcessCollector
from prometheus_client.registry import Collector

from cdc.commands import __version__


def process_registry(*collectors: Collector) -> CollectorRegistry:
    """Return a new registry. The library's own registry would also describe the interpreter."""
    registry = CollectorRegistry()
    Info("storyfeed_build", "The running release.", registry=registry).info(
        {"version": __version__}
    )
    ProcessCollector(registry=registry)
    threads = Gauge("process_threads", "Number of Python threads.", registry=registry)
    threads.set_function(threading.active_count)
    for collector in collectors:
        registry.register(collector)
    return registry
