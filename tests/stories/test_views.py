"""The story pages: pagination, search, and the escaping of hostile content."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from cdc.context import acting_as
from stories.models import Status, Story
from stories.templatetags.stories import host, web_address
from tests.support.static_files import plain_static_files
from users.models import User

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def reader() -> User:
    return User.objects.create_user("reader@people.example", name="Reader")


@pytest.fixture
def client(client: Client, reader: User) -> Iterator[Client]:
    client.force_login(reader)
    with plain_static_files():
        yield client


def story(**changes: Any) -> Story:
    given = {"title": "A title", "href": "http://a.example/", "link": "http://b.example/x"}
    with acting_as("test"):
        return Story.objects.create(**{**given, **changes})


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def test_list_is_paginated(client: Client) -> None:
    for number in range(25):
        story(title=f"Story number {number:02}")
    first, second = page(client, "/stories/"), page(client, "/stories/?page=2")
    assert "Story number 24" in first
    assert "Page 1 of 2" in first
    assert "Story number 04" in second
    assert "Story number 24" not in second
    assert client.get("/stories/?page=3").status_code == 404
    assert client.get("/stories/?page=x").status_code == 404


def test_search_matches_every_word_in_title_or_description(client: Client) -> None:
    story(title="Heron by night", description="A lighthouse")
    story(title="Heron by day")
    assert "1 story found for" in page(client, "/stories/?q=heron+lighthouse")
    assert "2 stories found for" in page(client, "/stories/?q=HERON")
    assert "No stories found." in page(client, "/stories/?q=zebra")


@pytest.mark.parametrize(
    "q", ["<script>alert(1)</script>", "%00", "%ED%A0%80", "'\"--", "%", "x" * 7_000]
)
def test_search_accepts_any_input(client: Client, q: str) -> None:
    story()
    shown = page(client, f"/stories/?q={q}")
    assert "<script>alert" not in shown


def test_pagination_keeps_the_search(client: Client) -> None:
    for number in range(21):
        story(title=f"A&B {number}")
    assert "?q=A%26B&amp;page=2" in page(client, "/stories/?q=A%26B")


def test_the_link_to_all_stories_is_shown_once(client: Client) -> None:
    story(title="A heron")
    assert page(client, "/stories/?q=heron").count(">All stories<") == 1
    assert page(client, "/stories/?q=zebra").count(">All stories<") == 1


def test_empty_list_says_so(client: Client) -> None:
    assert "No stories yet." in page(client, "/stories/")


def test_rejected_stories_are_for_staff_only(client: Client, reader: User) -> None:
    rejected = story(title="Gone from here", status=Status.REJECTED)
    assert "Gone from here" not in page(client, "/stories/")
    assert client.get(f"/stories/{rejected.pk}/").status_code == 404
    reader.is_staff = True
    reader.save()
    client.force_login(reader)
    assert client.get(f"/stories/{rejected.pk}/").status_code == 404
    reader.user_permissions.add(Permission.objects.get(codename="view_story"))
    assert "Gone from here" in page(client, f"/stories/{rejected.pk}/")


@pytest.mark.parametrize("number", [0, 2**63, 10**30])
def test_missing_story_is_404(client: Client, number: int) -> None:
    assert client.get(f"/stories/{number}/").status_code == 404


HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"' onmouseover='alert(1)",
    "template": "{{ settings.SECRET_KEY }}{% debug %}",
    "right to left": "\u202eevil\u200f",
    "emoji": "🐘" * 50,
    "lines": "one\ntwo\r\nthree",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_escaped(client: Client, text: str) -> None:
    made = story(
        title=text,
        description=text * 100,
        topic={"name": text},
        user={"name": text},
        container={"name": [text]},
    )
    for address in ("/stories/", f"/stories/{made.pk}/", "/customer/"):
        shown = page(client, address)
        assert "<script>alert" not in shown
        assert "onmouseover='" not in shown
        assert shown.count("<bdi>") == shown.count("</bdi>") > 0


def test_long_description_is_shown_in_full_on_its_page_only(client: Client) -> None:
    made = story(description="x" * 10_000)
    assert "x" * 10_000 in page(client, f"/stories/{made.pk}/")
    assert "x" * 300 not in page(client, "/stories/")


@pytest.mark.parametrize(
    "address",
    [
        *("javascript:alert(1)", "data:text/html,x", "//evil.example/"),
        # Browsers open the part before the backslash.
        *("http://evil.example\\@good.example/", "http://evil.example:80\\@good.example/"),
    ],
)
def test_only_web_addresses_are_links(client: Client, address: str) -> None:
    made = story()
    Story.objects.filter(pk=made.pk).update(link=address, href=address)
    shown = page(client, f"/stories/{made.pk}/")
    assert address not in shown
    assert "This story has no link" in shown


def test_the_site_the_comments_and_the_media_are_shown_on_the_page(client: Client) -> None:
    address = "https://www.talk.example/a/very/long/address"
    made = story(href=address, media="videos", comments=1)
    shown = page(client, f"/stories/{made.pk}/")
    assert "<span><bdi>b.example</bdi></span>" in shown
    assert 'title="Comments on talk.example">1 comment<span' in shown
    assert " on <bdi>talk.example</bdi></span><svg" in shown
    assert shown.count(address) == 1
    assert "<dt>Media</dt><dd><bdi>Videos</bdi></dd>" in shown
    assert '<span class="sf-thumb" aria-hidden="true"><svg' in shown
    same = story(href="http://b.example/x")
    assert '<span class="sf-number">0 comments</span>' in page(client, f"/stories/{same.pk}/")


def test_external_links_send_no_opener(client: Client) -> None:
    made = story()
    link = '<a class="btn btn-primary" href="http://b.example/x" rel="noopener nofollow">'
    assert link in page(client, f"/stories/{made.pk}/")


@pytest.mark.parametrize("value", [None, "", "http://", "http://[", "HTTP//x", "ftp://x.example/"])
def test_other_values_give_no_web_address(value: Any) -> None:
    assert (web_address(value), host(value)) == ("", "")


def test_host_of_an_address() -> None:
    assert host("https://www.paper.example:8080/x") == "paper.example"


def test_a_list_names_a_status_only_after_a_review(client: Client) -> None:
    story(title="Not reviewed")
    assert "sf-pill" not in page(client, "/stories/")
    story(title="Reviewed", status=Status.UPCOMING)
    assert page(client, "/stories/").count("sf-pill-info") == 1


def test_a_placeholder_has_the_initial_of_the_site(client: Client) -> None:
    story(link="http://www.paper.example/x")
    shown = page(client, "/stories/")
    assert '<span class="sf-thumb" aria-hidden="true">P</span>' in shown
    story(link="http://www.paper.example/y", media="videos")
    assert page(client, "/stories/").count("sf-thumb") == 2
    assert page(client, "/stories/").count('aria-hidden="true">P</span>') == 1


def test_a_page_has_one_link_to_submit(client: Client) -> None:
    story()
    for address in ("/stories/", "/customer/", "/stories/new/"):
        assert page(client, address).count('href="/stories/new/"') == 1, address
