"""The dashboard and its CSV files, with a report that is not read from MongoDB."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from django.test import Client

from cdc.errors import Retryable
from project.dashboard import charts, views
from project.dashboard.cache import Reports
from project.dashboard.periods import CHOICES, Choice
from project.dashboard.report import Report, Sides
from project.dashboard.tables import TABLES
from project.pages import feed_state
from tests.support.latest import patient
from tests.support.reports import PERSON, drained, group, moment, report
from tests.support.static_files import plain_static_files
from tests.support.status import busy_status, healthy_status
from users.models import User, UserType

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
PAGE = "/senior_management/"


@pytest.fixture(autouse=True)
def known_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(views, "reports", Reports(report))
    monkeypatch.setattr(feed_state.feed, "latest", patient(healthy_status))
    with plain_static_files():
        yield


def client_of(role: UserType = UserType.SENIOR_MANAGEMENT, **options: Any) -> Client:
    user = User.objects.create_user("a@people.example", name="A", user_type=role, **options)
    client = Client()
    client.force_login(user)
    return client


def main_of(client: Client, query: str = "") -> str:
    answer = client.get(PAGE + query)
    assert answer.status_code == 200
    return answer.content.decode().partition("<main")[2]


def csv_of(client: Client, name: str, query: str = "") -> str:
    answer: Any = client.get(f"{PAGE}{name}.csv{query}")
    assert isinstance(answer, StreamingHttpResponse)
    content: Any = answer.streaming_content
    return drained(content).decode("utf-8-sig")


def test_the_page_shows_the_period_and_the_period_before() -> None:
    page = main_of(client_of())
    assert ">2 \u2013 31 Mar 2010</strong>" in page
    assert ">31 Jan \u2013 1 Mar 2010</span>" in page
    labels = ("Became popular, of reviewed stories", "Time to popular, median")
    for shown in (
        "146",
        "+143%",
        "was 60",
        *labels,
        "Harbours",
        "site-0.example",
        "A ferry captain",
    ):
        assert shown in page, shown
    assert 'class="sf-chart-before"' in page
    assert page.count("sf-chart-slot") == 30
    assert "style=" not in page


def test_the_choice_of_topics_is_explained_if_five_are_charted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explained = "The colours show the five largest topics of all time."
    client = client_of()
    assert explained not in main_of(client)
    monkeypatch.setattr(
        views, "reports", Reports(lambda choice: report(choice, charted=tuple("abcde")))
    )
    assert explained in main_of(client)


def test_a_table_ends_with_one_line_of_notes() -> None:
    page = main_of(client_of())
    assert '<p class="sf-table-note">First 10 of 12; the CSV file has all.</p>' in page
    assert '<p class="sf-table-note">Names are not shown.</p>' in page


def test_a_long_name_is_one_line_and_has_a_tooltip() -> None:
    name = "site-0.example"
    assert f'<bdi class="sf-truncate" title="{name}">{name}</bdi>' in main_of(client_of())


def test_the_column_that_has_not_ended_is_in_the_legend(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Today, so far" not in main_of(client_of())
    today = charts.chart_of(report(), report().span.last)
    monkeypatch.setattr(views, "chart_of", lambda _: today)
    assert main_of(client_of_superuser()).count("Today, so far") == 1


def test_each_period_is_a_link_and_the_chosen_one_is_marked() -> None:
    page = main_of(client_of(), "?days=7")
    assert [name for name in CHOICES if f'href="?days={name}"' in page] == [*CHOICES]
    assert 'href="?days=7" aria-current="true"' in page
    assert "25 \u2013 31 Mar 2010" in page


def test_all_stories_have_no_period_before() -> None:
    page = main_of(client_of(), "?days=all")
    assert "1 Jan \u2013 31 Mar 2010</strong>, all stories" in page
    assert "was " not in page.partition("<dl")[2].partition("</dl>")[0]


def test_earlier_stories_are_one_click_away() -> None:
    client = client_of()
    assert "?days=30&amp;until=2010-03-01" in main_of(client)
    page = main_of(client, "?days=30&until=2010-03-01")
    assert 'href="?days=30" title="Newest stories">' in page
    assert 'href="?days=7&amp;until=2010-03-01"' in page
    assert "topics.csv?days=30&amp;until=2010-03-01" in page


@pytest.mark.parametrize(
    "query", ["?days=13", "?days=<b>", "?until=soon", "?days=%00", "?days=7.0"]
)
def test_unknown_values_are_named(query: str) -> None:
    client = client_of()
    assert "This page shows 30 days, up to the newest story." in main_of(client, query)
    answer = client.get(f"{PAGE}topics.csv{query}")
    assert answer.status_code == 400
    assert b"\xe2\x80\x9c" in answer.content
    assert b"This page" not in answer.content


def test_an_invalid_period_keeps_its_valid_end() -> None:
    page = main_of(client_of(), "?days=13&until=2010-03-01")
    assert "This page shows 30 days, up to 1 Mar 2010." in page


def test_management_sees_no_names_of_submitters() -> None:
    client = client_of()
    assert PERSON not in main_of(client)
    assert PERSON not in csv_of(client, "submitters")
    boss = client_of_superuser()
    assert PERSON in main_of(boss)
    assert PERSON in csv_of(boss, "submitters")


def client_of_superuser() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss@people.example", name="Boss"))
    return client


def test_hostile_names_are_text() -> None:
    page = main_of(client_of_superuser())
    assert "<b>Bold" not in page
    assert ">\u202eevil</bdi>" in page


@pytest.mark.parametrize("name", TABLES)
def test_each_table_is_a_file_of_the_same_period(name: str) -> None:
    client = client_of()
    assert f'href="{PAGE}{name}.csv?days=7"' in main_of(client, "?days=7")
    answer: Any = client.get(f"{PAGE}{name}.csv?days=7")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    disposition = f'attachment; filename="storyfeed-{name}-2010-03-25-to-2010-03-31.csv"'
    assert answer.headers["Content-Disposition"] == disposition
    assert csv_of(client, name, "?days=7").startswith('"')


def test_an_unknown_table_is_not_found() -> None:
    assert client_of().get(f"{PAGE}users.csv").status_code == 404


@pytest.mark.parametrize("role", [UserType.CUSTOMER, UserType.TECHNICAL_WORKER])
def test_files_are_for_the_role_of_the_page(role: UserType) -> None:
    client = client_of(role, is_staff=True)
    assert client.get(f"{PAGE}topics.csv").status_code == 403
    assert client.get(f"{PAGE}users.csv").status_code == 403


def away(_: Choice) -> Report:
    raise Retryable("MongoDB is not responding (pat@db.example).")


def test_without_mongodb_the_page_and_the_files_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "reports", Reports(away))
    client = client_of()
    page = main_of(client)
    assert "The replica is not responding. There is nothing to show yet." in page
    assert "pat@db.example" not in page
    assert page.count("sf-notice-warn") == 1
    answer = client.get(f"{PAGE}topics.csv")
    assert (answer.status_code, answer.content) == (
        503,
        b"MongoDB is not responding. Try again later.\n",
    )


def test_an_old_report_has_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = Reports(report)
    monkeypatch.setattr(views, "reports", reports)
    client = client_of()
    main_of(client)
    latest = reports._of(CHOICES["30"])
    reports.read = away
    latest._fresh = 0
    latest._read_at -= 61
    page = ""
    deadline = time.monotonic() + 60
    while "The replica is not responding." not in page:
        assert time.monotonic() < deadline, page
        page = main_of(client)
    found = re.search(r"The replica is not responding\. These figures are (\d+) s old\.", page)
    assert found is not None
    assert 61 <= int(found[1]) <= 121
    assert "146" in page


def test_the_copy_is_up_to_date_or_the_page_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of()
    current = r"Up to date, newest change \d+ \w+ old</span>"
    assert re.search(current, main_of(client))
    monkeypatch.setattr(feed_state.feed, "latest", patient(busy_status))
    outdated = r"The replica may be out of date \(figures counted \d+ s ago\): "
    assert re.search(outdated, main_of(client))
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: None))
    assert "The state of the replica is not known yet" in main_of(client)


def test_without_stories_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "reports", Reports(lambda _: None))
    client = client_of()
    assert "There are no stories in the replica yet." in main_of(client)
    page = main_of(client, "?until=2001-01-01")
    assert "There are no stories up to 1 Jan 2001." in page
    answer = client.get(f"{PAGE}topics.csv")
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="storyfeed-topics-empty.csv"'
    )
    assert csv_of(client, "topics") == "\r\n"


@pytest.mark.parametrize("days", CHOICES)
def test_the_page_is_light(days: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topics = ("Harbours", "Railways", "Weather", "Gardens", "Machines")

    def full(choice: Choice) -> Report:
        columns = report(choice).span.columns
        now = [
            group(moment(day), topic, documents=9) for day in columns for topic in (*topics, None)
        ]
        return report(choice, days=Sides(now, report(choice).days.before), charted=topics)

    monkeypatch.setattr(views, "reports", Reports(full))
    assert len(client_of().get(f"{PAGE}?days={days}").content) < 64_000
