"""What this process uses, under the names that Prometheus' own clients give it."""

import os
import resource
import threading
import time
from pathlib import Path

from project.metrics.exposition import Metric, Sample

_STARTED = time.time()
_PROC = Path("/proc/self")


def process_metrics() -> list[Metric]:
    """Return the metrics of this process; memory and files only where `/proc` tells them."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = round(used.ru_utime + used.ru_stime, 3)
    return [
        _metric("process_cpu_seconds_total", "CPU time used, in seconds.", seconds, counter=True),
        _metric("process_start_time_seconds", "Start, in seconds since 1970.", _STARTED),
        _metric("process_threads", "Threads of Python.", threading.active_count()),
        _metric("process_resident_memory_bytes", "Memory held, in bytes.", _resident()),
        _metric("process_open_fds", "Open files and sockets.", _open_files()),
    ]


def _metric(name: str, text: str, value: float | None, *, counter: bool = False) -> Metric:
    samples = () if value is None else (Sample(value=value),)
    return Metric(name=name, help=text, samples=samples, kind="counter" if counter else "gauge")


def _resident() -> int | None:
    try:
        pages = int((_PROC / "statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _open_files() -> int | None:
    try:
        return len(os.listdir(_PROC / "fd"))  # noqa: PTH208 -- names are enough
    except OSError:
        return None
