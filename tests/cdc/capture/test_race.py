"""After concurrent writes, a replay of the outbox in the order of its ids results in the table."""

import os
import time
from collections import Counter

import pytest

from stories.models import Story
from tests.cdc.capture.events import events, replay
from tests.cdc.capture.race import KEYS, WITHOUT_INSERTS, WRITES, race
from tests.cdc.capture.world import story, table

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

SECONDS = float(os.environ.get("STORYFEED_RACE_SECONDS", "5"))
LONGEST_SECONDS = 120
WRITERS = 8


def race_until_every_write_succeeds() -> Counter[str]:
    """Race for SECONDS, or longer if a kind of write has not succeeded, as on a busy machine."""
    wanted = {write.__name__ for write in WRITES}
    outcomes = race(WRITERS, SECONDS)
    deadline, seed = time.monotonic() + LONGEST_SECONDS, 0
    while not wanted <= set(outcomes) and time.monotonic() < deadline:
        seed += WRITERS
        outcomes += race(WRITERS, 1, first_seed=seed)
    return outcomes


def test_replaying_the_outbox_gives_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    for key in range(1, 21):
        story(pk=key).save()

    outcomes = race_until_every_write_succeeds()

    found = events()
    with capsys.disabled():
        print(f"\n{len(found)} events; {dict(sorted(outcomes.items()))}")  # noqa: T201
    assert replay(found) == table()
    assert {write.__name__ for write in WRITES} <= set(outcomes)
    assert not [outcome for outcome in outcomes if outcome.endswith("lock wait")]


def test_only_inserts_deadlock() -> None:
    outcomes: Counter[str] = Counter()
    for _ in range(max(1, round(SECONDS * 4))):
        # Few rows, because databases scan small tables, and scans cause deadlocks.
        Story.objects.bulk_create(
            [story(pk=key, diggs=key % 10) for key in KEYS], ignore_conflicts=True
        )
        outcomes += race(WRITERS, 0.2, WITHOUT_INSERTS)

    assert not [outcome for outcome in outcomes if "deadlock" in outcome]
    assert replay(events()) == table()
