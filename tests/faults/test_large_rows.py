"""Rows of nearly a megabyte: a relay keeps its lease while it reads, and needs little memory."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cdc.conf import CdcSettings
from cdc.outbox.batch import BATCH_BYTES
from tests.faults.crew import wait_until
from tests.faults.relays import clear_outbox, drained, published, relays, save
from tests.faults.topic import out_of_order
from tests.faults.traffic import logged

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    pytest.mark.database,
    pytest.mark.usefixtures("module_database"),
]
LARGE_STORIES = int(os.environ.get("FAULT_LARGE_STORIES", "150"))
"""The number of stories of 800 KB. Manual runs use 1000."""
LARGE_BYTES = 800_000
BATCH_ROWS = 2 * BATCH_BYTES // LARGE_BYTES
MEGABYTES = 120
"""The limit on the growth of a relay's memory during the test."""


def test_two_relays_share_large_rows_without_a_repetition(
    module_settings: CdcSettings, tmp_path: Path
) -> None:
    text = random.Random(1).randbytes(LARGE_BYTES // 2).hex()
    clear_outbox()
    for number in range(LARGE_STORIES):
        save(f"large {number}", text)
    stories = {(epoch, number) for epoch, number, _ in logged()}
    began = time.monotonic()
    with relays(module_settings, tmp_path, 2) as crew:
        wait_until(lambda: all(running(relay.daemon.log) for relay in crew.relays), "a start", 60)
        memory = Memory([relay.daemon.pid for relay in crew.relays])
        wait_until(memory.sampling(drained), "the outbox is empty", 600)
        seconds = time.monotonic() - began
        logs = "".join(relay.daemon.log for relay in crew.relays)
    records = published(module_settings, rows=False)
    print(f"{LARGE_STORIES} in {seconds:.1f} s, RSS {memory}")  # noqa: T201 -- a measurement
    assert {item.version for item in records if item.op == "c"} == stories
    # If the machine pauses, a relay may lose its lease and repeat up to two batches.
    lost = logs.count("relay.started") - 1
    assert len(records) <= LARGE_STORIES + lost * BATCH_ROWS
    assert lost or out_of_order(records, logged()) == []
    assert memory.most < memory.least + MEGABYTES


def running(log: str) -> bool:
    return "relay.started" in log or "relay.standby" in log


class Memory:
    """The lowest and the highest resident memory of some processes, in megabytes."""

    def __init__(self, pids: list[int]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]
        self.least, self.most = float("inf"), 0.0

    def __str__(self) -> str:
        return f"{self.least:.0f} to {self.most:.0f} MB"

    def sampling(self, holds: Callable[[], bool]) -> Callable[[], bool]:
        def check() -> bool:
            sizes = [process.memory_info().rss / 1e6 for process in self._processes]
            self.least, self.most = min(self.least, *sizes), max(self.most, *sizes)
            return holds()

        return check
