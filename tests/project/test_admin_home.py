"""The home page of the admin: the items that wait for staff, and the link back to the site."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Group, Permission
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from cdc.context import acting_as
from cdc.models import DeadLetter, DeadLetterStatus
from stories.models import Status, Story
from tests.support.letters import letter
from tests.support.static_files import plain_static_files
from users.lockout import MAX_PER_ACCOUNT
from users.models import RoleChange, User

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def pages() -> Iterator[None]:
    cache.clear()
    with plain_static_files():
        yield
    cache.clear()


def page_of(user: User, path: str = "/admin/") -> str:
    client = Client()
    client.force_login(user)
    return client.get(path).content.decode()


def waiting(page: str) -> dict[str, tuple[int, str]]:
    """Return the number of waiting items and the address of their page, by label."""
    found = re.findall(
        r'<a href="([^"]+)"[^>]*>.*?<strong class="sf-number">([\d,]+)</strong> ([^<]+)</span>',
        page.partition('<ul class="sf-waiting">')[2],
        re.DOTALL,
    )
    return {label: (int(count), address) for address, count, label in found}


def make_rows() -> None:
    statuses = (Status.SUBMITTED, Status.SUBMITTED, Status.POPULAR, Status.REJECTED)
    with acting_as("test"):
        for status in statuses:
            Story.objects.create(
                title="T", href="http://a.example/", link="http://b.example/", status=status
            )
    for failures, minutes in ((MAX_PER_ACCOUNT, 1), (MAX_PER_ACCOUNT - 1, 1), (9, 60)):
        made = AccessAttempt.objects.create(
            username=f"{failures}@x.example",
            ip_address="203.0.113.9",
            failures_since_start=failures,
        )
        moment = timezone.now() - timedelta(minutes=minutes)
        AccessAttempt.objects.filter(pk=made.pk).update(attempt_time=moment)
    letter()
    letter(value=b"resolved")
    DeadLetter.objects.filter(offset=1).update(status=DeadLetterStatus.DISCARDED)


def test_superusers_see_all_that_waits() -> None:
    make_rows()
    boss = User.objects.create_superuser("boss@people.example", name="Boss")
    marked = re.findall(r'href="([^"]+)" class="sf-waits sf-fails"', page_of(boss))
    assert marked == ["/operations/dead_letters/"]
    assert waiting(page_of(boss)) == {
        "stories to review": (2, "/admin/stories/story/?status__exact=submitted"),
        "locked account": (1, "/admin/axes/accessattempt/"),
        "dead letter": (1, "/operations/dead_letters/"),
    }


def test_nothing_waits() -> None:
    boss = User.objects.create_superuser("boss@people.example", name="Boss")
    page = page_of(boss)
    assert {count for count, _ in waiting(page).values()} == {0}
    assert "sf-waits" not in page


@pytest.mark.parametrize(
    ("codename", "label", "address"),
    [
        ("view_story", "stories to review", "/admin/stories/story/?status__exact=submitted"),
        ("view_accessattempt", "locked account", "/admin/axes/accessattempt/"),
        ("view_deadletter", "dead letter", "/admin/cdc/deadletter/"),
    ],
)
def test_staff_see_only_what_they_may_open(codename: str, label: str, address: str) -> None:
    make_rows()
    staff = User.objects.create_user("staff@people.example", "x", name="Staff", is_staff=True)
    assert waiting(page_of(staff)) == {}
    staff.user_permissions.add(Permission.objects.get(codename=codename))
    assert [(name, to) for name, (_, to) in waiting(page_of(staff)).items()] == [(label, address)]


def test_the_heading_of_a_form_is_the_name_of_its_row() -> None:
    boss = User.objects.create_superuser("boss@people.example", name="Boss")
    page = page_of(boss, f"/admin/users/user/{boss.pk}/change/")
    assert (
        '<p class="sf-kicker">Change user</p><h1><bdi>boss@<wbr>people.example</bdi></h1>' in page
    )
    assert page.count("people.example</bdi></h") == 1
    assert "<h1>Add user</h1>" in page_of(boss, "/admin/users/user/add/")


def test_times_name_their_zone() -> None:
    boss = User.objects.create_superuser("boss@people.example", name="Boss")
    path = "/admin/users/rolechange/"
    changes = page_of(boss, path)
    assert re.search(r"\d\d:\d\d:\d\d UTC</a>", changes)
    assert "<summary>Time</summary>" in changes
    row = page_of(boss, f"{path}{RoleChange.objects.latest('pk').pk}/change/")
    assert re.search(r"<label>At</label>\s*<div class=\"readonly\">[^<]+ UTC</div>", row)
    assert "Last login (UTC)" in page_of(boss, "/admin/users/user/")


def test_a_list_can_show_all_only_if_it_is_filtered() -> None:
    make_rows()
    boss = User.objects.create_superuser("boss@people.example", name="Boss")
    path = "/admin/stories/story/"
    for query, linked in (("", False), ("?o=1", False), ("?q=T", True), ("?media=news", True)):
        page = page_of(boss, f"{path}{query}")
        assert ("4 results" in page) == linked, query
        assert ("Show all</a>)" in page) == linked, query
        assert 'placeholder="Search stories"' in page
    assert "Filter</summary>" in page_of(boss, path)
    assert "Filters in use</summary>" in page_of(boss, f"{path}?media=news")
    for heading in ("Date submitted", "Popular since"):
        assert f"<summary>{heading}</summary>" in page_of(boss, path)


@pytest.mark.parametrize("path", ["stories/story", "users/user", "auth/group", "cdc/deadletter"])
def test_every_menu_of_actions_says_what_to_do(path: str) -> None:
    make_rows()
    boss = User.objects.create_superuser("boss@people.example", name="Boss")
    Group.objects.create(name="Editors")
    page = page_of(boss, f"/admin/{path}/")
    assert '<option value="" selected>Choose an action</option>' in page
    assert "---------" not in page.partition('<div class="actions">')[2].partition("</select>")[0]


@pytest.mark.parametrize("path", ["/admin/", "/admin/users/", "/admin/users/user/"])
def test_the_admin_has_the_frame_of_the_site(path: str) -> None:
    boss = User.objects.create_superuser("boss@people.example", name="Boss")
    page = page_of(boss, path)
    assert '<nav class="sf-rail"' in page
    assert re.search(r'<a href="/operations/"><svg.*?</svg><span>Pipeline</span>', page, re.DOTALL)
    assert re.search(r'<a href="/admin/" aria-current="page">', page)
    assert "theme-toggle" not in page


def test_recent_actions_of_the_user() -> None:
    boss = User.objects.create_superuser("boss@people.example", name="Boss")
    client = Client()
    client.force_login(boss)
    assert "You have not changed anything yet." in client.get("/admin/").content.decode()
    client.post("/admin/auth/group/add/", {"name": "<b>Editors</b>"})
    page = client.get("/admin/").content.decode()
    assert "<bdi>&lt;b&gt;Editors&lt;/b&gt;</bdi>" in page


def test_permissions_are_in_groups_with_short_labels() -> None:
    boss = User.objects.create_superuser("boss@people.example", name="Boss")
    page = page_of(boss, "/admin/auth/group/add/")
    assert "<label>Stories: stories</label>" in page
    assert "Logins: access attempts" in page
    assert "stories | story | Can" not in page
    assert page.count('name="permissions"') == Permission.objects.count()


def test_the_daily_work_comes_first() -> None:
    boss = User.objects.create_superuser("boss@people.example", name="Boss")
    daily, _, others = page_of(boss).partition("<summary>Other tables</summary>")
    panel = r'<div class="app-([a-z]+) module'
    assert re.findall(r'<th scope="row" id="([a-z-]+)">', daily) == [
        *("stories-story", "users-user", "auth-group", "users-rolechange"),
    ]
    assert daily.count("<caption>Daily work</caption>") == 1
    assert set(re.findall(panel, others)) == {"axes", "cdc"}


def test_tables_are_listed_for_those_who_have_only_other_tables() -> None:
    staff = User.objects.create_user("staff@people.example", "x", name="Staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_accessattempt"))
    assert '<details class="sf-other-tables" open>' in page_of(staff)
