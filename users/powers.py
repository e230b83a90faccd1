"""The accounts and privileges that a user of the admin may change (docs/decisions/0007).

Anyone who can set the password or the e-mail address of an account can act with its role.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model
from django.http import HttpRequest

from users.models import User, UserType


def is_superuser(actor: User | AnonymousUser) -> bool:
    """Return whether a user may grant privileges."""
    return actor.is_active and actor.is_superuser


def may_assign_roles(actor: User | AnonymousUser) -> bool:
    """Return whether a user may set the type of other users."""
    return actor.has_perm("users.assign_role")


def may_manage(actor: User | AnonymousUser, account: User) -> bool:
    """Return whether the permissions that a user has on accounts apply to `account`.

    Staff accounts, including one's own, are managed by superusers. The accounts of Technical
    Workers and Senior Management are also managed by staff who may assign these types.
    """
    if is_superuser(actor):
        return True
    if account.is_staff or account.is_superuser or not (actor.is_active and actor.is_staff):
        return False
    return account.user_type == UserType.CUSTOMER or may_assign_roles(actor)


class WrittenBySuperusers(admin.ModelAdmin[Any]):
    """A `ModelAdmin` that only superusers may write with, whatever permissions others have."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request.user) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_superuser(request.user) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_superuser(request.user) and super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer no actions to others, because an action may write without a permission."""
        return super().get_actions(request) if is_superuser(request.user) else {}
