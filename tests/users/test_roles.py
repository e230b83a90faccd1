"""Which pages and which live feed each role may open."""

import pytest
from django.contrib.auth.models import AnonymousUser

from cdc.operations import Audience
from users.models import User, UserType
from users.roles import feed_audience, home_of, may_open

CUSTOMER = User(user_type=UserType.CUSTOMER)
TECHNICAL = User(user_type=UserType.TECHNICAL_WORKER)
MANAGEMENT = User(user_type=UserType.SENIOR_MANAGEMENT)
STAFF = User(user_type=UserType.CUSTOMER, is_staff=True)
BOSS = User(user_type=UserType.CUSTOMER, is_superuser=True)


@pytest.mark.parametrize("user", [CUSTOMER, TECHNICAL, MANAGEMENT, STAFF])
@pytest.mark.parametrize("role", UserType)
def test_pages_are_for_their_role(user: User, role: UserType) -> None:
    assert may_open(user, role) is (user.user_type == role)


@pytest.mark.parametrize("role", UserType)
def test_a_superuser_may_open_all_pages_and_a_stranger_none(role: UserType) -> None:
    assert may_open(BOSS, role)
    assert not may_open(AnonymousUser(), role)


@pytest.mark.parametrize(
    ("user", "audience"),
    [
        (CUSTOMER, None),
        (STAFF, None),
        (AnonymousUser(), None),
        (TECHNICAL, Audience.OPERATORS),
        (MANAGEMENT, Audience.OVERSEERS),
        (BOSS, Audience.OPERATORS),
    ],
)
def test_the_feed_has_two_audiences(user: User | AnonymousUser, audience: Audience | None) -> None:
    assert feed_audience(user) is audience


def test_a_home_page_depends_on_the_type_only() -> None:
    homes = [home_of(user) for user in (CUSTOMER, TECHNICAL, MANAGEMENT, STAFF, BOSS)]
    types = ["customer", "technical_worker", "senior_management", "customer", "customer"]
    assert homes == [f"/{name}/" for name in types]
