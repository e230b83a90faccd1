"""The peer's settings in docs/performance.md are those of its connectors and its worker."""

import re
from pathlib import Path
from typing import Any, cast

from tests.bench.peer import Endpoints, Peer
from tests.bench.worker import SINK, SOURCE, Worker
from tests.support.paths import ROOT

NAMES = re.compile(
    r"connector\.class|database(\.(?!ssl)|$)|driver|topic|table\.include|connection\.uri|collection"
    r"|change\.data|schema\.history\.internal\.kafka|bootstrap|listeners|offset|(key|value)\.converter$"
)
"""The settings that the table omits: addresses, names and classes."""


def documented() -> dict[tuple[str, str], tuple[str, str]]:
    text = (ROOT / "docs/performance.md").read_text()
    rows = re.findall(r"^\| (\w+) \| `([\w.]+)` \| (\S+) \| (\S+) \|$", text, re.MULTILINE)
    return {(part, name): (tuned, shipped) for part, name, tuned, shipped in rows}


def settings(worker: Worker, *, tuned: bool) -> dict[tuple[str, str], str]:
    endpoints = Endpoints(
        mysql_host="h",
        mysql_port=1,
        mysql_user="u",
        mysql_password="p",
        bootstrap_servers="k",
        mongodb_uri="m",
    )
    connectors = Peer("peer", "d", cast("Any", None), worker, endpoints, tuned=tuned).connectors
    parts = {"source": connectors[SOURCE], "sink": connectors[SINK], "worker": worker.config()}
    return {
        (part, name): value
        for part, values in parts.items()
        for name, value in values.items()
        if not NAMES.match(name)
    }


def test_the_table_contains_each_setting(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 1, "k")
    tuned, shipped = settings(worker, tuned=True), settings(worker, tuned=False)
    assert documented() == {
        key: (value, shipped.get(key, "default")) for key, value in tuned.items()
    }
