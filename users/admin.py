"""People in the admin: who they are, what type, what they may do."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from users.forms import UserChangeForm, UserCreationForm
from users.models import User

_POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(BaseUserAdmin[User]):
    """Accounts. Only superusers give powers, and only they touch other superusers."""

    form = UserChangeForm
    add_form = UserCreationForm
    add_form_template = None
    list_display = ("email", "name", "user_type", "is_active", "is_staff", "last_seen")
    list_filter = ("user_type", "is_active", "is_staff", "is_superuser", "date_joined")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "name", "user_type", "password")}),
        ("May do", {"fields": ("is_active", *_POWERS)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "user_type", "password1", "password2")}),
        ("May do", {"fields": ("is_staff", "is_superuser")}),
    )

    @admin.display(description="Last login", ordering="last_login", empty_value="-")
    def last_seen(self, account: User) -> str | None:
        """Return when somebody last logged in, to the minute in UTC."""
        return f"{account.last_login:%d %b %Y, %H:%M}" if account.last_login else None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the powers out of reach of those who could give them to themselves."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if _is_superuser(request.user) else (*fields, *_POWERS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse a superuser's account, its password too, to those who are not superusers."""
        return super().has_change_permission(request, obj) and _within_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse to delete a superuser to those who are not."""
        return super().has_delete_permission(request, obj) and _within_reach(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Leave out the bulk delete, which asks about no single account."""
        actions = super().get_actions(request)
        if not _is_superuser(request.user):
            actions.pop("delete_selected", None)
        return actions


def _within_reach(request: HttpRequest, account: User | None) -> bool:
    return _is_superuser(request.user) or account is None or not account.is_superuser


def _is_superuser(user: User | AnonymousUser) -> bool:
    return user.is_superuser
