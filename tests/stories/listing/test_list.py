"""The list of stories: filters, orders, search, and a bounded amount of work for each page."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cdc.context import acting_as
from stories.listing import pages
from stories.listing.topics import MOST_TOPICS, topics
from stories.models import Status, Story
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
NOW = timezone.now()


@pytest.fixture
def client(client: Client) -> Iterator[Client]:
    client.force_login(User.objects.create_user("reader@people.example", name="Reader"))
    with plain_static_files():
        yield client


def add(title: str, **values: Any) -> Story:
    given = {"title": title, "href": "http://a.example/", "link": "http://b.example/x"}
    with acting_as("test"):
        return Story.objects.create(**{**given, **values})


def shown(client: Client, query: str = "") -> list[str]:
    """Return the titles on a page of the list, in their order."""
    page = client.get(f"/stories/{query}")
    assert page.status_code == 200, query
    return [story.title for story in page.context["stories"]]


def text(client: Client, query: str) -> str:
    return unescape(client.get(f"/stories/{query}").content.decode())


@pytest.fixture
def some() -> None:
    add("A", topic={"name": "Linux/Unix"}, diggs=5, comments=1, submit_date=NOW)
    add("B", topic={"name": "Gardens"}, diggs=9, comments=2, status=Status.POPULAR)
    add("C", topic={"name": "Gardens"}, diggs=1, comments=7, submit_date=NOW - timedelta(days=9))
    add("D", diggs=8, status=Status.REJECTED)


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", "BAC"),
        ("?sort=new", "BAC"),
        ("?sort=diggs", "BAC"),
        ("?sort=comments", "CBA"),
        ("?topic=Gardens", "BC"),
        ("?topic=gardens&sort=comments", "CB"),
        ("?topic=linux_unix", "A"),
        ("?status=popular", "B"),
        ("?status=submitted&topic=Gardens", "C"),
        ("?status=rejected", ""),
        ("?q=b&sort=comments", "CBA"),
        ("?q=c&topic=Gardens", "C"),
    ],
)
def test_filters_and_orders_are_combined(
    client: Client, some: None, query: str, titles: str
) -> None:
    if "q=b" in query:
        Story.objects.update(description="b")
    assert "".join(shown(client, query)) == titles


@pytest.mark.parametrize("name", ["topic", "sort", "status"])
@pytest.mark.parametrize("value", ["zebra", "POPULARITY", "<b>x</b>", "-diggs", "null", "0"])
def test_an_unknown_value_is_named(client: Client, some: None, name: str, value: str) -> None:
    page = text(client, f"?{name}={value}")
    assert f"<bdi>{value.lower() if name != 'topic' else value}</bdi>” is not" in page or (
        f"No story has the topic “<bdi>{value}</bdi>”" in page
    )
    assert shown(client, f"?{name}={value}") == (list("BAC") if name == "sort" else [])


@pytest.mark.parametrize(
    ("query", "current"), [("", "1"), ("?status=popular", "4"), ("?status=zebra", "")]
)
def test_an_unknown_status_is_not_the_choice_of_all(
    client: Client, some: None, query: str, current: str
) -> None:
    found = re.findall(r'id="status-(\d)"[^>]*aria-current', text(client, query))
    assert "".join(found) == current


def test_the_choice_of_rejected_stories_says_whose_they_are(client: Client, some: None) -> None:
    reader = User.objects.get(name="Reader")
    add("Mine", status=Status.REJECTED, submitted_by=reader)
    assert shown(client, "?status=rejected") == ["Mine"]
    assert labels(client) == ["All", "Submitted", "Upcoming", "Popular", "My rejected"]
    assert 'aria-label="Remove the filter My rejected"' in text(client, "?status=rejected")
    assert 'title="Stories that wait for a review"' in text(client, "")
    reader.user_type = UserType.SENIOR_MANAGEMENT
    reader.save()
    client.force_login(reader)
    assert set(shown(client, "?status=rejected")) == {"D", "Mine"}
    assert labels(client)[-1] == "Rejected"


def labels(client: Client) -> list[str]:
    return re.findall(r'id="status-\d"[^>]*>([^<]*)<', text(client, ""))


def test_links_keep_the_other_filters_and_have_no_empty_parameters(
    client: Client, some: None
) -> None:
    page = text(client, "?q=a&topic=Gardens&sort=diggs&status=popular")
    links = [dict(parse_qsl(urlsplit(link).query, keep_blank_values=True)) for link in hrefs(page)]
    assert {"q": "a", "topic": "Gardens", "sort": "comments", "status": "popular"} in links
    assert {"q": "a", "topic": "Gardens", "status": "popular"} in links
    assert {"q": "a", "topic": "Linux/Unix", "sort": "diggs", "status": "popular"} in links
    assert {"q": "a", "topic": "Gardens", "sort": "diggs"} in links
    assert {"q": "a", "sort": "diggs", "status": "popular"} in links
    for query in ("", "?q=a&topic=Gardens&sort=diggs&status=popular", "?topic=x", "?sort=diggs"):
        assert not [link for link in hrefs(text(client, query)) if re.search(r"=(&|$)|\?$", link)]


@pytest.mark.parametrize(
    "kept", [{}, {"topic": "Gardens", "sort": "diggs", "status": "popular"}, {"topic": 'A&"B'}]
)
def test_the_only_search_keeps_the_other_filters(client: Client, kept: dict[str, str]) -> None:
    add("A", topic={"name": "Gardens"})
    add("B", topic={"name": 'A&"B'})
    page = client.get("/stories/", {"q": "a", "page": "1", **kept}).content.decode()
    (form,) = re.findall(r'<form[^>]*role="search".*?</form>', page, re.DOTALL)
    fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
    assert {name: unescape(value) for name, value in fields} == kept
    assert 'type="search"' not in page.replace(form, "")


def hrefs(page: str) -> list[str]:
    return [link for link in re.findall(r'href="([^"]*)"', page) if link.startswith("/stories/")]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?q=", "/stories/"),
        ("?q=&topic=&sort=&status=&page=", "/stories/"),
        ("?q=&topic=Gardens", "?topic=Gardens"),
        ("?q=%26&status=", "?q=%26"),
    ],
)
def test_a_form_with_empty_fields_leads_to_a_plain_url(
    client: Client, query: str, kept: str
) -> None:
    assert client.get(f"/stories/{query}").headers["Location"] == kept


@pytest.mark.parametrize(
    "word", ["HERON", "lighthouse", "harbour", "paper.example", "quietferry", "Ann+Lee", "/2024/x"]
)
def test_search_finds_every_part_of_a_story(client: Client, word: str) -> None:
    ann = User.objects.create_user("ann@people.example", name="Ann Lee")
    add(
        "A heron",
        description="By the lighthouse",
        topic={"name": "Harbours", "short_name": "zebra"},
        link="https://www.paper.example/2024/x",
        user={"name": "quietferry", "zebra": 1},
        submitted_by=ann,
    )
    add("Another", link="https://other.example/zebra")
    assert shown(client, f"?q={word}") == ["A heron"]
    assert shown(client, f"?q={word}+zebra") == []
    assert shown(client, "?q=zebra") == []


@pytest.mark.parametrize("word", ["100%", "a_b", "ж", "☃", "\\", "'"])
def test_search_takes_every_character_literally(client: Client, word: str) -> None:
    add(f"x{word}y", user={"name": "ж☃"} if word in "ж☃" else {})
    add("plain")
    assert shown(client, f"?q={word.replace('%', '%25')}") == [f"x{word}y"]


def test_a_search_reads_a_part_of_the_stories_at_a_time(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        add(f"S{number}", submit_date=NOW - timedelta(days=number))
    monkeypatch.setattr(pages, "MOST_SEARCHED", 3)
    assert shown(client, "?q=S5") == []
    assert "?q=S5&after=3" in text(client, "?q=S5")
    assert shown(client, "?q=S5&after=3") == ["S5"]
    assert "after=" not in text(client, "?q=S5&after=6")
    assert shown(client, "?q=S5&after=999") == []
    Story.objects.update(submit_date=NOW)
    assert shown(client, "?q=S5") == ["S5"], "stories of the same date are searched together"


def test_a_list_has_an_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(25):
        add(f"S{number:02}", diggs=number)
    monkeypatch.setattr(pages, "MOST_LISTED", 22)
    assert shown(client, "?sort=diggs&page=2") == ["S04", "S03"]
    assert "Lists show at most 22 stories." in text(client, "?sort=diggs&page=2")
    assert "More than 22 stories found" in text(client, "?q=S")
    assert client.get("/stories/?page=3").status_code == 404


@pytest.mark.usefixtures("unexpiring_cache")
def test_the_number_of_queries_is_constant(client: Client) -> None:
    def queries() -> list[int]:
        counts = []
        for query in ("", "?sort=diggs", "?q=S&topic=T1", "?status=submitted&page=1"):
            with CaptureQueriesContext(connection) as found:
                client.get(f"/stories/{query}")
            counts.append(len(found))
        return counts

    add("S", topic={"name": "T1"}, submitted_by=User.objects.get())
    few = queries()
    for number in range(30):
        add(f"S{number}", topic={"name": f"T{number}"}, submitted_by=User.objects.get())
    assert queries() == few
    assert max(few) <= 9


def test_topics_are_listed_once_up_to_a_limit(client: Client) -> None:
    assert topics() == []
    for name in ("b", "A", "b", "", None, 7, ["x"], {"name": "x"}, "É"):
        add("T", topic={"name": name})
    add("T", topic={})
    assert set(topics()) == {"b", "A", "É"}
    Story.objects.bulk_create(
        Story(title="T", link="http://a.example/", topic={"name": f"t{number:04}"})
        for number in range(MOST_TOPICS + 20)
    )
    assert len(topics()) == MOST_TOPICS


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the words of SQLite's plan")
def test_every_order_is_read_from_an_index(client: Client, some: None) -> None:
    wanted = [
        f"?sort={sort}{more}"
        for sort in ("new", "diggs", "comments")
        for more in ("", "&topic=Gardens", *(f"&status={status}" for status in Status))
        if "rejected" not in more
    ]
    for query in wanted:
        with CaptureQueriesContext(connection) as found:
            client.get(f"/stories/{query}")
        (sql,) = [each["sql"] for each in found if f"LIMIT {pages.MOST_LISTED + 1}" in each["sql"]]
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}".replace("%", "%%"))
            plan = [row[3] for row in cursor.fetchall()]
        assert len(plan) == 1, (query, plan)
        assert "USING" in plan[0], (query, plan)


@pytest.mark.row_locks
def test_mysql_can_read_a_topic_from_an_index(client: Client, some: None) -> None:
    if not connection.features.supports_expression_indexes:
        pytest.skip("MariaDB has no indexes on expressions")
    with CaptureQueriesContext(connection) as found:
        client.get("/stories/?topic=Gardens&sort=diggs")
    (sql,) = [each["sql"] for each in found if f"LIMIT {pages.MOST_LISTED + 1}" in each["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {sql}".replace("%", "%%"))
        names = [column[0] for column in cursor.description]
        (row,) = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    # MySQL can use an index on an expression only if the query contains the same expression.
    assert "story_topic_" in str(row["possible_keys"])
