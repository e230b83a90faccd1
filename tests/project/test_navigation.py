"""The navigation: its pages for each role, the open page, and the pending decisions."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client

from cdc.context import acting_as
from project.navigation import navigation
from stories.models import Status, Story
from tests.support.letters import letter
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = pytest.mark.django_db
REPLICATION = ["Pipeline", "Feed", "Dead letters", "Jobs", "Operator log"]


@pytest.fixture(autouse=True)
def pages() -> Iterator[None]:
    cache.clear()
    with plain_static_files():
        yield
    cache.clear()


def person(user_type: str = UserType.CUSTOMER, **privileges: bool) -> User:
    return User.objects.create_user(
        "ann@people.example", "long-enough-42", name="Ann", user_type=user_type, **privileges
    )


def shown(user: User, path: str = "/nowhere/") -> dict[str, int]:
    """Return the names in the rail, each with its number of waiting items."""
    found = navigation(user, path)
    assert found is not None
    return {entry.page.name: entry.waiting for entry in found.entries}


@pytest.mark.parametrize(
    ("user_type", "names"),
    [
        (UserType.CUSTOMER, ["Home", "Stories", "My submissions"]),
        (UserType.TECHNICAL_WORKER, [*REPLICATION, "Stories"]),
        (UserType.SENIOR_MANAGEMENT, ["Dashboard", "Stories", *REPLICATION]),
    ],
)
def test_each_role_has_its_pages(user_type: UserType, names: list[str]) -> None:
    assert list(shown(person(user_type))) == names


def test_staff_and_superusers_have_more() -> None:
    user = person(is_staff=True)
    news = ["Home", "Stories", "My submissions"]
    assert list(shown(user)) == [*news, "Admin"]
    user.is_superuser = True
    assert list(shown(user)) == [*news, *REPLICATION, "Dashboard", "Admin"]


@pytest.mark.parametrize(
    ("user_type", "bar"),
    [
        (UserType.CUSTOMER, ["Home", "Stories", "My submissions"]),
        (UserType.TECHNICAL_WORKER, ["Pipeline", "Feed", "Dead letters"]),
        (UserType.SENIOR_MANAGEMENT, ["Dashboard", "Stories", "Pipeline"]),
    ],
)
def test_a_phone_shows_the_home_page_first_and_the_order_of_the_rail(
    user_type: UserType, bar: list[str]
) -> None:
    found = navigation(person(user_type), "/")
    assert found is not None
    assert [entry.page.name for entry in found.bar] == bar
    assert (*found.bar, *found.more) == found.entries


def test_four_pages_need_no_menu() -> None:
    found = navigation(person(is_staff=True), "/")
    assert found is not None
    assert (len(found.bar), found.more) == (4, ())


def test_the_groups_have_names() -> None:
    found = navigation(person(UserType.SENIOR_MANAGEMENT), "/")
    assert found is not None
    assert [group.name for group in found.groups] == ["Management", "News", "Replication"]


@pytest.mark.parametrize(("path", "is_current"), [("/operations/jobs/", True), ("/feed/", False)])
def test_a_phone_marks_the_menu_with_the_open_page(
    client: Client, path: str, is_current: bool
) -> None:
    user = person(UserType.TECHNICAL_WORKER)
    found = navigation(user, path)
    assert found is not None
    assert found.more_is_current == is_current
    client.force_login(user)
    page = client.get(path).content.decode()
    assert ('popovertarget="more" aria-current="true"' in page) == is_current


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/stories/7/way/", "Stories"),
        # The button in the header is marked instead.
        ("/stories/new/", None),
        ("/operations/", "Pipeline"),
        ("/operations/pause/", "Pipeline"),
        ("/technical_worker/", "Pipeline"),
        ("/operations/jobs/3/", "Jobs"),
        ("/operations/dead_letters/3/replay/", "Dead letters"),
        ("/operations/log/", "Operator log"),
        ("/feed/", "Feed"),
        ("/admin/stories/story/1/change/", "Admin"),
        ("/senior_management/", "Dashboard"),
        ("/password/", None),
        ("/", None),
    ],
)
def test_the_open_page_is_marked(path: str, name: str | None) -> None:
    boss = person(UserType.TECHNICAL_WORKER, is_staff=True, is_superuser=True)
    found = navigation(boss, path)
    assert found is not None
    assert [entry.page.name for entry in found.entries if entry.current] == [name][: bool(name)]


@pytest.mark.usefixtures("unexpiring_cache")
def test_waiting_dead_letters_are_counted_once_for_many_pages(
    django_assert_num_queries: pytest.FixtureRequest,
) -> None:
    user = person(UserType.TECHNICAL_WORKER)
    letter()
    assert shown(user)["Dead letters"] == 1
    letter(value=b"other")
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert shown(user)["Dead letters"] == 1
    # On the page where people replay or discard them, the number is fresh.
    assert shown(user, "/operations/dead_letters/")["Dead letters"] == 2


def test_stories_to_review_are_counted_for_those_who_may_see_them() -> None:
    with acting_as("test"):
        for status in (Status.SUBMITTED, Status.POPULAR):
            Story.objects.create(
                title="T", href="http://a.example/", link="http://b.example/", status=status
            )
    staff = person(is_staff=True)
    assert shown(staff)["Admin"] == 0
    staff.user_permissions.add(Permission.objects.get(codename="view_story"))
    assert shown(User.objects.get(pk=staff.pk))["Admin"] == 1


def test_only_badges_of_failures_are_red(client: Client) -> None:
    with acting_as("test"):
        Story.objects.create(title="T", href="http://a.example/", link="http://b.example/")
    boss = person(UserType.TECHNICAL_WORKER, is_staff=True, is_superuser=True)
    client.force_login(boss)
    red, amber = '<span class="sf-badge">', '<span class="sf-badge sf-badge-warn">'
    page = client.get("/stories/").content.decode()
    # In the rail, in the button of the menu on phones, and in the menu.
    assert (page.count(red), page.count(amber)) == (0, 3)
    letter()
    cache.clear()
    page = client.get("/stories/").content.decode()
    assert (page.count(red), page.count(amber)) == (2, 3)
    boss.user_type, boss.is_staff, boss.is_superuser = UserType.SENIOR_MANAGEMENT, False, False
    boss.save()
    client.force_login(boss)
    page = client.get("/stories/").content.decode()
    # Here, phones have the dead letters in the menu.
    assert (page.count(red), page.count(amber)) == (3, 0)


def test_a_page_shows_the_badge_and_the_open_page(client: Client) -> None:
    letter()
    client.force_login(person(UserType.TECHNICAL_WORKER))
    page = client.get("/stories/").content.decode()
    assert '1<span class="visually-hidden"> waiting</span>' in page
    assert page.count('aria-current="page"') == 2  # in the rail and in the bar of phones


def test_a_badge_reads_a_bounded_number_of_rows(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("project.navigation._MOST_COUNTED", 2)
    user = person(UserType.TECHNICAL_WORKER)
    for value in (b"1", b"2", b"3"):
        letter(value=value)
    assert shown(user)["Dead letters"] == 2
    cache.set("navigation.dead_letters", 1_000)
    client.force_login(user)
    assert '999+<span class="visually-hidden"> waiting' in client.get("/stories/").content.decode()


def test_customers_are_not_shown_what_they_may_not_open(client: Client) -> None:
    letter()
    client.force_login(person())
    page = client.get("/stories/").content.decode()
    assert "Dead letters" not in page
    assert 'href="/admin/"' not in page


def test_anonymous_visitors_have_no_navigation(client: Client) -> None:
    assert '<nav class="sf-rail"' not in client.get("/login/").content.decode()
