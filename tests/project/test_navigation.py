"""The navigation: its pages for each role, the open page, and the waiting dead letters."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client

from project.navigation import navigation
from tests.support.letters import letter
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = pytest.mark.django_db
PIPELINE = ["Feed", "Pipeline", "Dead letters", "Jobs", "Log"]


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
    """Return the names in the rail, each with its number of waiting things."""
    found = navigation(user, path)
    assert found is not None
    return {entry.page.name: entry.waiting for entry in found.entries}


@pytest.mark.parametrize(
    ("user_type", "names"),
    [
        (UserType.CUSTOMER, ["Home", "Stories"]),
        (UserType.TECHNICAL_WORKER, ["Stories", *PIPELINE]),
        (UserType.SENIOR_MANAGEMENT, ["Stories", *PIPELINE, "Dashboard"]),
    ],
)
def test_each_role_has_its_pages(user_type: UserType, names: list[str]) -> None:
    assert list(shown(person(user_type))) == names


def test_staff_and_superusers_have_more() -> None:
    user = person(is_staff=True)
    assert list(shown(user)) == ["Home", "Stories", "Admin"]
    user.is_superuser = True
    assert list(shown(user)) == ["Home", "Stories", *PIPELINE, "Dashboard", "Admin"]


@pytest.mark.parametrize(
    ("user_type", "first"),
    [
        (UserType.CUSTOMER, "Home"),
        (UserType.TECHNICAL_WORKER, "Pipeline"),
        (UserType.SENIOR_MANAGEMENT, "Dashboard"),
    ],
)
def test_a_phone_shows_the_home_page_first_and_every_page_once(
    user_type: UserType, first: str
) -> None:
    found = navigation(person(user_type), "/")
    assert found is not None
    names = [entry.page.name for entry in (*found.bar, *found.more)]
    assert names[0] == first
    assert sorted(names) == sorted(entry.page.name for entry in found.entries)
    assert len(found.bar) <= 4


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/stories/7/way/", "Stories"),
        ("/operations/", "Pipeline"),
        ("/operations/pause/", "Pipeline"),
        ("/technical_worker/", "Pipeline"),
        ("/operations/jobs/3/", "Jobs"),
        ("/operations/dead_letters/3/replay/", "Dead letters"),
        ("/operations/log/", "Log"),
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


def test_waiting_dead_letters_are_counted_once_for_many_pages(
    django_assert_num_queries: pytest.FixtureRequest,
) -> None:
    user = person(UserType.TECHNICAL_WORKER)
    letter()
    assert shown(user)["Dead letters"] == 1
    letter(value=b"other")
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert shown(user)["Dead letters"] == 1
    # On the page where people decide about them, the number is fresh.
    assert shown(user, "/operations/dead_letters/")["Dead letters"] == 2


def test_a_page_shows_the_badge_and_the_open_page(client: Client) -> None:
    letter()
    client.force_login(person(UserType.TECHNICAL_WORKER))
    page = client.get("/stories/").content.decode()
    assert '1<span class="visually-hidden"> waiting</span>' in page
    assert page.count('aria-current="page"') == 2  # in the rail and in the bar of phones


def test_customers_are_not_shown_what_they_may_not_open(client: Client) -> None:
    letter()
    client.force_login(person())
    page = client.get("/stories/").content.decode()
    assert "Dead letters" not in page
    assert 'href="/admin/"' not in page


def test_anonymous_visitors_have_no_navigation(client: Client) -> None:
    assert '<nav class="sf-rail"' not in client.get("/login/").content.decode()
