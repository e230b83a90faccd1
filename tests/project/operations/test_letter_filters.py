"""The list of dead letters: its filters, and what they reveal."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from cdc.models import DeadLetter
from tests.support.feed_settings import without_servers
from tests.support.letters import letter, letter_about

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
LIST = "/operations/dead_letters/"


@pytest.fixture(autouse=True)
def _without_services() -> Iterator[None]:
    with override_settings(CDC=without_servers()):
        yield


@pytest.fixture
def letters() -> list[DeadLetter]:
    found = [
        letter(b'{"id":17}', None, "The title is 100% too wide."),
        letter_about(18),
        letter(b'{"id":19}', b"no JSON", "The value is not JSON."),
        letter(b'{"id":20}', reason="Column topic contains 3."),
    ]
    DeadLetter.objects.filter(pk=found[3].pk).update(status="replayed")
    return found


def listed(client: Client, query: str) -> list[int]:
    """Return the places of the dead letters on the page, the newest first."""
    rows = client.get(f"{LIST}{query}").context["rows"]
    first = DeadLetter.objects.order_by("pk").values_list("pk", flat=True)[0]
    return [row.letter.pk - first for row in rows]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("", [2, 1, 0]),
        ("?all=1", [3, 2, 1, 0]),
        ("?status=all", [3, 2, 1, 0]),
        ("?status=replayed", [3]),
        ("?reason=not+json", [2]),
        ("?reason=100%25", [0]),
        ("?text=3:1", [1]),
        ("?text=%22id%22:19", [2]),
        ("?text=stories_story", [1]),
        ("?status=all&text=story-events&reason=topic", [3]),
        ("?reason=nothing", []),
    ],
)
def test_a_filter_in_the_link_selects(
    worker: Client, letters: list[DeadLetter], query: str, places: list[int]
) -> None:
    assert listed(worker, query) == places


def test_a_number_is_also_an_id(worker: Client, letters: list[DeadLetter]) -> None:
    assert letters[2].pk - letters[0].pk in listed(worker, f"?text={letters[2].pk}")


def test_each_line_names_the_row_the_operation_and_the_position(
    worker: Client, letters: list[DeadLetter]
) -> None:
    rows = worker.get(f"{LIST}?all=1").context["rows"]

    found = [(row.name, row.operation, row.position, row.tone) for row in reversed(rows)]
    assert found == [
        ("17", "Deleted", "story-events 3:0", "warn"),
        ("story 18", "Updated", "story-events 3:1", "warn"),
        ("19", "", "story-events 3:2", "warn"),
        ("story 20", "", "story-events 3:3", "good"),
    ]


def test_what_cannot_be_seen_cannot_be_searched(manager: Client, letters: list[DeadLetter]) -> None:
    page = manager.get(f"{LIST}?reason=wide&text=17")

    assert listed(manager, "?reason=wide&text=17") == [2, 1, 0]
    assert "wide" not in page.content.decode()
    assert 'name="letter"' not in page.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        f"?text={'9' * 99}:{'9' * 99}",
        f"?text={'9' * 18}",
        "?text=%00",
        "?reason=%F0%9F%90%98%ff",
        f"?reason={'x' * 5_000}",
        "?text=%25_%5C%27",
        "?status=%00&text=1:2",
    ],
)
def test_odd_filters_find_nothing_or_something_but_never_fail(
    worker: Client, letters: list[DeadLetter], query: str
) -> None:
    assert worker.get(f"{LIST}{query}").status_code == 200
    assert worker.get(f"/operations/log/{query}&what=%00&who={'9' * 999}").status_code == 200


@pytest.mark.parametrize("path", ["dead_letters", "jobs"])
def test_a_huge_id_is_not_found(worker: Client, path: str) -> None:
    for number in ("9" * 18, "9" * 60):
        assert worker.get(f"/operations/{path}/{number}/").status_code == 404


def test_unknown_states_are_named_and_empty_parameters_left_out(worker: Client) -> None:
    page = worker.get(f"{LIST}?status=open").content.decode()
    assert "“<bdi>open</bdi>” is not a state." in page
    answer = worker.get(f"{LIST}?text=&reason=a+b&status=")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{LIST}?reason=a+b")
    assert worker.get(f"{LIST}?text=").headers["Location"] == LIST


def test_pages_keep_the_filter(worker: Client) -> None:
    for _ in range(51):
        letter(reason="too wide")

    page = worker.get(f"{LIST}?reason=wide").content.decode()

    assert 'href="?reason=wide&amp;page=2"' in page
    assert "Replay all…" in page
    assert listed(worker, "?reason=wide&page=2") == [0]


@pytest.mark.usefixtures("unexpiring_cache")
def test_a_longer_list_needs_no_more_queries(
    worker: Client, django_assert_num_queries: Any
) -> None:
    letter()
    worker.get(LIST)
    with CaptureQueriesContext(connection) as one:
        worker.get(LIST)
    for _ in range(20):
        letter_about(1)
    with django_assert_num_queries(len(one)):
        worker.get(LIST)


def test_each_state_has_its_count(worker: Client, letters: list[DeadLetter]) -> None:
    page = worker.get(LIST)
    assert [(label, count) for label, *_, count in page.context["states"]] == [
        ("Waiting", 3),
        ("Replayed", 1),
        ("Discarded", 0),
        ("All", 4),
    ]
    assert 'Replayed <span class="sf-number">1</span>' in page.content.decode()


def test_without_dead_letters_there_is_nothing_to_filter(worker: Client) -> None:
    page = worker.get(LIST).content.decode()
    assert "No dead letters need a decision." in page
    assert "sf-letter-tools" not in page
    assert "?status=all" not in page
