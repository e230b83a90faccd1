"""Users, groups and role changes in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import AnonymousUser, Group
from django.db import models
from django.http import HttpRequest
from django.utils import dateformat

from cdc.admin import ReadOnlyAdmin, RefusalMessages
from users.forms import UserChangeForm, UserCreationForm
from users.models import RoleChange, User

# Django's two-box selector is not used, because screen readers cannot read its hints.
_CHECKBOXES: dict[type[models.Field[Any, Any]], dict[str, Any]] = {
    models.ManyToManyField: {"widget": forms.CheckboxSelectMultiple}
}
_PRIVILEGES = ("is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(RefusalMessages, BaseUserAdmin[User]):
    """Accounts. Only superusers may grant privileges and change the accounts of other staff.

    Superusers, and staff with the permission `assign_role`, may set a user's type.
    """

    form = UserChangeForm
    add_form = UserCreationForm
    add_form_template = None
    list_display = ("email", "name", "user_type", "is_active", "is_staff", "last_seen")
    list_filter = ("user_type", "is_active", "is_staff", "is_superuser", "date_joined")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
    formfield_overrides = _CHECKBOXES
    fieldsets = (
        (None, {"fields": ("email", "name", "user_type", "password")}),
        ("Permissions", {"fields": ("is_active", *_PRIVILEGES)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "user_type", "password1", "password2")}),
        ("Permissions", {"fields": ("is_staff", "is_superuser")}),
    )

    @admin.display(description="Last login", ordering="last_login", empty_value="-")
    def last_seen(self, account: User) -> str | None:
        moment = account.last_login
        return dateformat.format(moment, "j\u00a0M\u00a0Y, H:i") if moment else None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Make privileges read-only for staff, who could otherwise grant themselves privileges."""
        fields = tuple(super().get_readonly_fields(request, obj))
        if _is_superuser(request.user):
            return fields
        role = () if request.user.has_perm("users.assign_role") else ("user_type",)
        return (*fields, *_PRIVILEGES, *role)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let only superusers change the accounts of other staff, including the passwords.

        Anyone who can set the password of a user can also use the privileges of that user.
        """
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let only superusers delete the accounts of other staff."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer the bulk delete only to superusers, because it does not check each account."""
        actions = super().get_actions(request)
        if not _is_superuser(request.user):
            actions.pop("delete_selected", None)
        return actions


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin):
    filter_horizontal = ()
    formfield_overrides = _CHECKBOXES


@admin.register(RoleChange)
class RoleChangeAdmin(ReadOnlyAdmin):
    """The record of role changes."""

    list_display = ("at", "whom", "from_role", "to_role", "who")
    fields = readonly_fields = ("at", "whom", "whom_id", "from_role", "to_role", "who")
    list_filter = ("at", "to_role")
    search_fields = ("whom", "who")


def _may_touch(request: HttpRequest, account: User | None) -> bool:
    if account is None or account == request.user or _is_superuser(request.user):
        return True
    return not (account.is_superuser or account.is_staff)


def _is_superuser(user: User | AnonymousUser) -> bool:
    return user.is_superuser
