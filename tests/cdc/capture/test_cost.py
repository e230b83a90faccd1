"""The cost of capture: the same writes, alternately with and without capture."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from cdc.registry import registry
from stories.models import Story
from tests.cdc.capture.world import COLUMNS, story

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

ROUNDS = int(os.environ.get("STORYFEED_COST_ROUNDS", "3"))
ROWS = 100
KINDS = ("plain", "captured")
MOST_MORE_QUERIES = 5
FULL = {**COLUMNS, "description": "d" * 400}


def create() -> None:
    for _ in range(ROWS):
        story(**FULL).save()


def save() -> None:
    for one in Story.objects.all()[:ROWS]:
        one.diggs += 1
        one.save()


def save_in_a_transaction() -> None:
    with transaction.atomic():
        save()


def update() -> None:
    Story.objects.update(comments=5)


def bulk_create() -> None:
    Story.objects.bulk_create([story(**FULL) for _ in range(ROWS)])


def delete() -> None:
    Story.objects.all().delete()


WRITES: list[tuple[Callable[[], None], int]] = [
    (create, ROWS),
    (save, ROWS),
    (save_in_a_transaction, ROWS),
    (update, ROWS),
    (bulk_create, ROWS),
    (delete, 2 * ROWS),
]


def timed(write: Callable[[], None], rows: int) -> float:
    """Return the milliseconds per row that `write` takes."""
    start = time.perf_counter()
    write()
    return (time.perf_counter() - start) * 1000 / rows


@contextmanager
def capturing(monkeypatch: pytest.MonkeyPatch, kind: str) -> Iterator[None]:
    with monkeypatch.context() as patch:
        if kind == "plain":
            patch.setattr(registry, "_by_model", {})
        yield


def test_a_save_takes_few_more_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        with capturing(monkeypatch, kind):
            for write, rows in WRITES:
                with CaptureQueriesContext(connection) as queries:
                    write()
                found.setdefault(write.__name__, {})[kind] = len(queries) / rows
    many = {
        name: counts
        for name, counts in found.items()
        if counts["captured"] > counts["plain"] + MOST_MORE_QUERIES
    }
    assert many == {}


def test_times_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The times are printed but not checked, because they also depend on the machine."""
    found: dict[str, dict[str, list[float]]] = {write.__name__: {} for write, _ in WRITES}
    for _ in range(ROUNDS):
        for kind in KINDS:
            with capturing(monkeypatch, kind):
                for write, rows in WRITES:
                    found[write.__name__].setdefault(kind, []).append(timed(write, rows))

    assert set(found) == {write.__name__ for write, _ in WRITES}
    with capsys.disabled():
        print(f"\n{connection.display_name}, ms per row: plain, captured, ratio")  # noqa: T201
        for name, times in found.items():
            plain, captured = (statistics.median(times[kind]) for kind in KINDS)
            print(f"  {name:24} {plain:.3f} {captured:.3f} {captured / plain:.1f}")  # noqa: T201
