"""The state of the pipeline in one line, on the feed page."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from cdc.status.facts import Paused
from project.pages import feed_state
from tests.support.latest import patient
from tests.support.status import busy_status, healthy_status

pytestmark = pytest.mark.django_db
PAUSED = healthy_status(paused=Paused(who="Ann", at=datetime(2026, 1, 2, tzinfo=UTC), why="w"))


def verdict(client: Client) -> str:
    return client.get("/operations/verdict/").content.decode()


def test_a_healthy_pipeline_needs_no_remedy(
    worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_state.feed, "latest", patient(healthy_status))
    shown = verdict(worker)
    assert "sf-health-good" in shown
    assert "<strong>Healthy.</strong> In sync" in shown
    assert "data-lag>0.0 s<" in shown
    assert "<a " not in shown


def test_the_lag_is_the_age_of_the_oldest_change(
    worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_state.feed, "latest", patient(busy_status))
    assert "data-lag>2.0 s<" in verdict(worker)

    unreadable = busy_status(problems=("Kafka is down.",), lags=None)
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: unreadable))
    assert "data-lag>unknown<" in verdict(worker)


def test_only_those_who_may_act_are_sent_to_the_remedy(
    worker: Client, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: PAUSED))
    assert '<a href="/operations/resume/">Resume consumers…</a>' in verdict(worker)
    shown = verdict(manager)
    assert "sf-health-warn" in shown
    assert '<a href="/operations/">Show the pipeline</a>' in shown


def test_dead_letters_lead_to_their_page(worker: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: healthy_status(dead_letters=4)))
    assert '<a href="/operations/dead_letters/">Show the dead letters</a>' in verdict(worker)


def test_the_rate_is_that_of_the_newest_minute(
    worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_state.feed, "latest", patient(healthy_status))
    monkeypatch.setattr(feed_state, "rates", patient(lambda: [0.0] * 58 + [9.0, 3.0]))
    # The first request starts a reading of the rates. A later request shows the rates.
    shown = next(text for _ in range(200) if ">3.0/s<" in (text := verdict(worker)))
    assert "over the last 60 minutes: 3.0 now, 9.0 at most." in shown
    assert shown.count("<title>") == 60
