"""The verdict as the pages show it."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from cdc.operations import State
from cdc.status.facts import LastReconcile
from project.operations.verdicts import verdict_of
from project.pages import feed_state
from project.pages.feed_state import FeedState
from project.pages.latest import Reading
from tests.support.latest import patient
from tests.support.status import healthy_status

BEGAN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
NOTHING: Reading[Any] = Reading(value=None, seconds=0.0, problem="")


def verdict(state: State | None) -> Any:
    found = FeedState(reading=NOTHING, verdict="So it is.", problems=(), state=state, since=BEGAN)
    return verdict_of(found)


@pytest.mark.parametrize("state", State)
def test_each_state_has_a_word_a_tone_and_an_icon(state: State) -> None:
    found = verdict(state)
    assert (found.word, found.sentence) == (state.label, "So it is.")
    assert (found.look.tone == "good") == (state is State.HEALTHY)
    assert (found.since is None) == (state is State.HEALTHY)
    assert not found.look.page or reverse(found.look.page)


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Out of sync: stories_story has 3 rows.", "stories_story has 3 rows."),
        ("Out of sync at the last reconciliation: …", "At the last reconciliation: …"),
    ],
)
def test_the_word_of_a_state_is_not_repeated(sentence: str, shown: str) -> None:
    found = FeedState(reading=NOTHING, verdict=sentence, problems=(), state=State.OUT_OF_SYNC)
    assert verdict_of(found).sentence == shown


def test_a_state_that_is_not_read_yet_is_unknown() -> None:
    assert (verdict(None).word, verdict(None).look.tone) == ("Unknown", "neutral")


@pytest.mark.django_db
def test_a_reconciliation_is_the_proof(worker: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    page = worker.get("/operations/").content.decode()
    assert "not yet compared field by field" in page
    assert "sf-verdict-meta" not in page
    assert 'id="remedy" href="/operations/jobs/reconcile/"' in page
    # The verdict is healthy, so the panel beside it gives no warning.
    assert "sf-pill-neutral" in page.partition("Last reconciliation")[2].partition("Never")[0]
    assert 'id="compare"' not in page
    assert 'id="compare-and-repair"' in page

    last = LastReconcile(finished_at=BEGAN, seconds_ago=9.0, equal=False, verdict="2 rows `differ`")
    status = healthy_status(reconcile=last)
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: status))

    page = worker.get("/operations/").content.decode()
    assert "Differences found by the reconciliation of" in page
    assert "2 rows <code>differ</code>" in page
    assert 'id="remedy" href="/operations/jobs/repair/"' in page
    assert 'id="compare"' in page
    assert 'id="compare-and-repair"' not in page


@pytest.mark.django_db
def test_a_remedy_is_offered_to_those_who_can_use_it(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = LastReconcile(finished_at=BEGAN, seconds_ago=9.0, equal=False, verdict="")
    found = {}
    for changes in ({"reconcile": last}, {"dead_letters": 4}):
        read = partial(healthy_status, **changes)
        monkeypatch.setattr(feed_state.feed, "latest", patient(read))
        found[next(iter(changes))] = 'id="remedy"' in manager.get("/operations/").content.decode()
    assert found == {"reconcile": False, "dead_letters": True}
