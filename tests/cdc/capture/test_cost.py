"""The cost of capture: the same writes with and without it, alternating."""

import os
import statistics
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from cdc.registry import registry
from stories.models import Story
from tests.cdc.capture.world import COLUMNS, story

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

ROUNDS = int(os.environ.get("STORYFEED_COST_ROUNDS", "3"))
ROWS = 100
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
    """Return milliseconds per row."""
    start = time.perf_counter()
    write()
    return (time.perf_counter() - start) * 1000 / rows


def test_capture_does_not_slow_down_saves_too_much(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, dict[str, list[float]]] = {write.__name__: {} for write, _ in WRITES}
    for _ in range(ROUNDS):
        for kind in ("plain", "captured"):
            with monkeypatch.context() as patch:
                if kind == "plain":
                    patch.setattr(registry, "_by_model", {})
                for write, rows in WRITES:
                    found[write.__name__].setdefault(kind, []).append(timed(write, rows))

    ratios = {}
    with capsys.disabled():
        print(f"\n{connection.display_name}, ms a row: plain, captured, ratio")  # noqa: T201
        for name, times in found.items():
            plain, captured = (statistics.median(times[kind]) for kind in ("plain", "captured"))
            ratios[name] = captured / plain
            print(f"  {name:24} {plain:.3f} {captured:.3f} {ratios[name]:.1f}")  # noqa: T201
    # A wide margin for busy machines; docs/capture.md has the figures.
    assert {name: ratio for name, ratio in ratios.items() if ratio > 10 and "save" in name} == {}
