"""A transaction that stays open delays only its own changes."""

import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from django.db import connections, transaction

from cdc.conf import CdcSettings
from cdc.models import OutboxRecord
from tests.faults.crew import wait_until
from tests.faults.relays import clear_outbox, drained, published, relays, save
from tests.faults.topic import out_of_order
from tests.faults.traffic import logged

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    pytest.mark.database,
    pytest.mark.row_locks,
    pytest.mark.usefixtures("module_database"),
]
OPEN_SECONDS = float(os.environ.get("FAULT_OPEN_SECONDS", "4"))
"""How many seconds a transaction stays open. Manual runs use 25."""


class OpenSession:
    """A transaction in a thread, which saves a story and stays open until `end` is called."""

    def __init__(self, title: str) -> None:
        self._saved, self._end = threading.Event(), threading.Event()
        self._commit = True
        self._thread = threading.Thread(target=self._run, args=(title,), daemon=True)
        self._thread.start()
        assert self._saved.wait(60)

    def end(self, *, commit: bool = True) -> None:
        self._commit = commit
        self._end.set()
        self._thread.join()

    def _run(self, title: str) -> None:
        with transaction.atomic():
            save(title)
            self._saved.set()
            self._end.wait()
            transaction.set_rollback(not self._commit)
        connections["default"].close()


@pytest.mark.parametrize("sessions", [1, 5])
def test_an_open_transaction_delays_no_other_change(
    module_settings: CdcSettings, tmp_path: Path, sessions: int
) -> None:
    clear_outbox()
    with relays(module_settings, tmp_path, 1) as crew:
        crew.relays[0].daemon.wait_for("relay.started")
        open_sessions = []
        deadline = time.monotonic() + OPEN_SECONDS
        for number in range(sessions):
            open_sessions.append(OpenSession(f"late {number}"))
            burst()
        most = 0
        while time.monotonic() < deadline:
            burst()
            most = max(most, OutboxRecord.objects.count())
            time.sleep(0.1)
        wait_until(drained, "what is committed leaves the outbox", 60)
        records = published(module_settings)
        assert {(*item.version, item.story) for item in records} == logged()

        for index, session in enumerate(open_sessions):
            session.end(commit=index != 1)
        wait_until(lambda: drained() and late_arrived(module_settings, sessions), "the last", 60)
        log = crew.relays[0].daemon.log
    records = published(module_settings)
    assert out_of_order(records, logged()) == []
    # If the machine paused, the relay may have lost its lease and repeated rows.
    if log.count("relay.started") == 1:
        assert set(Counter(item.version for item in records).values()) == {1}
    print(f"largest outbox {most}, published {len(records)}")  # noqa: T201 -- a measurement


def burst() -> None:
    """Commit 20 rows together. Databases scan the table to delete this many rows."""
    with transaction.atomic():
        for number in range(20):
            save(f"other {number}")


def late_arrived(settings: CdcSettings, sessions: int) -> bool:
    titles = {(item.after or {}).get("title") for item in published(settings)}
    return {f"late {number}" for number in range(sessions) if number != 1} <= titles
