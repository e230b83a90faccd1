"""Describes the machine and the versions of a benchmark run."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import django
import psutil

from project.stack.kafka.jars import SUMS_FILE as KAFKA
from project.stack.kafka.jars import read_sums
from tests.bench.worker import SUMS_FILE as PEER

_PEER_JARS = ("debezium-connector-mysql", "mongo-kafka-connect", "connect-runtime")


def machine() -> str:
    """Return the processor, the usable cores, the memory and the operating system, in one line."""
    memory = round(psutil.virtual_memory().total / 1e9)
    cores = len(os.sched_getaffinity(0))
    return f"{_processor()}, {cores} cores, {memory} GB, {platform.system()} {platform.machine()}"


def versions(mysql: str, mongodb: str, *, peer: bool) -> str:
    """Return the versions of all components, including the peer's if `peer` is true.

    `mysql` and `mongodb` are the versions of these servers.
    """
    found = {"MySQL": mysql, "MongoDB": mongodb, "Kafka": jar_version("kafka_2.13", KAFKA)}
    found |= {"Python": platform.python_version(), "Django": django.__version__}
    found |= {name: version(name) for name in ("confluent-kafka", "pymongo", "mysqlclient")}
    if peer:
        found |= {name: jar_version(name, PEER) for name in _PEER_JARS}
    return ", ".join(f"{name} {number}" for name, number in found.items())


def jar_version(artifact: str, sums_file: Path) -> str:
    """Return the version of the jar of `artifact`, as pinned in `sums_file`."""
    return next(path.split("/")[-2] for path in read_sums(sums_file) if f"/{artifact}/" in path)


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    text = file.read_text() if file.exists() else ""
    names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return names[0] if names else platform.processor() or "an unknown processor"
