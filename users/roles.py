"""Which pages are whose: each type of person has a home of its own."""

from django.contrib.auth.mixins import UserPassesTestMixin
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import reverse

from cdc.operations import Audience
from users.models import User, UserType


def home_of(user: User) -> str:
    """Return the address of the page where somebody lands; the type decides, nothing else."""
    return reverse(UserType(user.user_type).value)


def may_open(user: User | AnonymousUser, role: UserType) -> bool:
    """Whether a home is somebody's: people of its type and superusers; `is_staff` opens none."""
    return isinstance(user, User) and (user.is_superuser or user.user_type == role)


class RoleRequiredMixin(UserPassesTestMixin):
    """A page of one type of person, asked on every request.

    Others who are logged in are refused (403); who is not is sent to the login page.
    """

    request: HttpRequest
    role: UserType

    def test_func(self) -> bool:
        """Return whether the person who asks may open the page."""
        return may_open(self.request.user, self.role)


def feed_audience(user: User | AnonymousUser) -> Audience | None:
    """What somebody sees of the live feed: people see only what their work needs."""
    if may_open(user, UserType.TECHNICAL_WORKER):
        return Audience.OPERATORS
    return Audience.OVERSEERS if may_open(user, UserType.SENIOR_MANAGEMENT) else None
