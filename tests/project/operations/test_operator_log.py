"""The page of the operator log."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cdc.context import acting_as
from cdc.operator_log import log_action

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def test_the_log_is_paginated(worker: Client) -> None:
    for number in range(51):
        log_action("pause", f"number {number}", "", using="default")
    assert "number 0<" in worker.get("/operations/log/?page=2").content.decode()


@pytest.fixture
def entries(worker: Client) -> str:
    """Log actions of two actors. Return the actor that is a user."""
    who = str(worker.session["_auth_user_id"])
    for actor, what, target in (
        (who, "pause", "consumers of storyfeed"),
        (who, "replay", "dead letter 7: story-events 3:1"),
        ("os:root", "repair", "job 8: stories_story"),
    ):
        with acting_as(actor):
            log_action(what, target, "", using="default")
    return who


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["repair", "replay", "pause"]),
        ("?what=pause", ["pause"]),
        ("?who={who}", ["replay", "pause"]),
        ("?who={who}&what=replay", ["replay"]),
        ("?what=nothing", []),
        ("?who=os:root", ["repair"]),
    ],
)
def test_the_log_is_filtered_by_action_and_person(
    worker: Client, entries: str, query: str, found: list[str]
) -> None:
    rows = worker.get(f"/operations/log/{query.format(who=entries)}").context["rows"]
    assert [row.action.what for row in rows] == found


def test_entries_link_to_what_they_are_about(worker: Client, entries: str) -> None:
    page = worker.get("/operations/log/").content.decode()
    assert '<a href="/operations/dead_letters/7/">' in page
    assert '<a href="/operations/jobs/8/">' in page
    assert f'<option value="{entries}">technical_worker@people.example</option>' in page


@pytest.mark.usefixtures("unexpiring_cache")
def test_a_longer_log_needs_no_more_queries(
    worker: Client, entries: str, django_assert_num_queries: Any
) -> None:
    worker.get("/operations/log/")
    with CaptureQueriesContext(connection) as few:
        worker.get("/operations/log/")
    for _ in range(20):
        log_action("pause", "consumers of storyfeed", "", using="default")
    with django_assert_num_queries(len(few)):
        worker.get("/operations/log/")
