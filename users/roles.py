"""What each user may open, see and manage (docs/decisions/0007)."""

from django.contrib.auth.mixins import UserPassesTestMixin
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import reverse

from cdc.operations import Audience
from users.models import User, UserType

FEED_ROLES = (UserType.TECHNICAL_WORKER, UserType.SENIOR_MANAGEMENT)
"""The roles that may read the live feed."""
_PEOPLE = {
    UserType.CUSTOMER: "Customers",
    UserType.TECHNICAL_WORKER: "Technical Workers",
    UserType.SENIOR_MANAGEMENT: "Senior Management",
}


def home_of(user: User) -> str:
    """Return the URL of the user's home page, which depends only on the user's type."""
    return reverse(UserType(user.user_type).value)


def may_open(user: User | AnonymousUser, role: UserType) -> bool:
    """Return whether a user has `role` or is a superuser. Being staff is not enough."""
    return isinstance(user, User) and (user.is_superuser or user.user_type == role)


class RoleRequiredMixin(UserPassesTestMixin):
    """Restricts a view to one role.

    Other users get 403; anonymous users are redirected to the login page.
    """

    request: HttpRequest
    role: UserType

    def test_func(self) -> bool:
        return may_open(self.request.user, self.role)

    def get_permission_denied_message(self) -> str:
        return only_for(self.role)


def audience_of(user: User | AnonymousUser) -> Audience:
    """Return what a user may see; users without access to the live feed see the least."""
    return feed_audience(user) or Audience.OVERSEERS


def only_for(*roles: UserType) -> str:
    """Return the message for users who open a page for other roles."""
    names = " and ".join(_PEOPLE[role] for role in roles)
    return f"Only {names} can open this page. If you need access, ask an admin."


def feed_audience(user: User | AnonymousUser) -> Audience | None:
    """Return the audience of the live feed that a user belongs to, or None."""
    if may_open(user, UserType.TECHNICAL_WORKER):
        return Audience.OPERATORS
    return Audience.OVERSEERS if may_open(user, UserType.SENIOR_MANAGEMENT) else None


def is_superuser(actor: User | AnonymousUser) -> bool:
    """Return whether a user may grant privileges."""
    return actor.is_active and actor.is_superuser


def may_assign_roles(actor: User | AnonymousUser) -> bool:
    """Return whether a user may set the type of other users."""
    return actor.has_perm("users.assign_role")


def may_manage(actor: User | AnonymousUser, account: User) -> bool:
    """Return whether the permissions that a user has on accounts apply to `account`.

    Anyone who can set the password or the e-mail address of an account can act with the role of
    that account. Staff accounts, including one's own, are managed by superusers. The accounts of
    Technical Workers and Senior Management are also managed by staff who may assign these types,
    and those of Customers by all staff.
    """
    if is_superuser(actor):
        return True
    if account.is_staff or account.is_superuser or not (actor.is_active and actor.is_staff):
        return False
    return account.user_type == UserType.CUSTOMER or may_assign_roles(actor)
