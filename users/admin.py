"""Users, groups, role changes and failed logins in the admin."""

from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, Permission
from django.db import connections, models, router
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import dateformat

from cdc.admin_readers import PlainLabels, ReadOnlyAdmin, TimeFilter
from cdc.pages import RefusalMessages
from users.deletion.admin import DeletesInJob
from users.forms import (
    AdminPasswordForm,
    GroupForm,
    PermissionField,
    UserChangeForm,
    UserCreationForm,
)
from users.models import RoleChange, User
from users.roles import is_superuser, may_assign_roles, may_manage
from users.templatetags.users import breakable

_LABELS = {"is_superuser": "Superuser"}
_HELP_TEXTS = {
    "is_superuser": "May do everything.",
    "groups": "The account has the permissions of its groups.",
    "user_permissions": "The account has these permissions in addition to those of its groups.",
}
_PRIVILEGES = ("is_staff", "is_superuser", "groups", "user_permissions")


class SuperuserFilter(admin.BooleanFieldListFilter):
    """Django's filter, with our word for the field in its heading."""

    def __init__(self, field: Any, *args: Any, **options: Any) -> None:
        super().__init__(field, *args, **options)
        self.title = _LABELS[field.name].lower()


class WithCheckboxes(admin.ModelAdmin[Any]):
    """A `ModelAdmin` that shows many-to-many relations as checkboxes.

    Django's two-box selector is not used, because screen readers cannot read its hints.
    """

    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField[Any, Any], request: Any = None, **options: Any
    ) -> Any:
        options["widget"] = forms.CheckboxSelectMultiple
        if db_field.related_model is Permission:
            options["form_class"] = PermissionField
            options["queryset"] = Permission.objects.select_related("content_type")
        return super().formfield_for_manytomany(db_field, request, **options)


class LockedWhileWritten(admin.ModelAdmin[Any]):
    """A `ModelAdmin` that locks a row before it checks permissions and writes the row.

    Otherwise, another request could change an account after the check, so that the user may no
    longer manage the account.
    """

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is None or not connections[router.db_for_write(self.model)].in_atomic_block:
            return row
        self.lock_before(request, row)
        return self.get_queryset(request).select_for_update().filter(pk=row.pk).first()

    def lock_before(self, request: HttpRequest, row: Any) -> None:
        """Lock the rows that all transactions must lock before this row."""


class WrittenBySuperusers(admin.ModelAdmin[Any]):
    """A `ModelAdmin` that only superusers may write, whatever permissions other users have."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request.user) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return is_superuser(request.user) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return is_superuser(request.user) and super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer actions only to superusers, because an action can write without a permission."""
        return super().get_actions(request) if is_superuser(request.user) else {}


@admin.register(User)
class UserAdmin(
    DeletesInJob, RefusalMessages, LockedWhileWritten, WithCheckboxes, BaseUserAdmin[User]
):
    """Accounts. Only superusers may grant privileges and change the accounts of other staff.

    Superusers, and staff with the permission `assign_role`, may set a user's type.
    """

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordForm
    add_form_template = None
    list_display = ("address", "name", "user_type", "active", "staff", "last_seen")
    list_filter = (
        *("user_type", "is_active", "is_staff"),
        ("is_superuser", SuperuserFilter),
        "date_joined",
    )
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("email", "name", "user_type", "password")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("User permissions", {"classes": ("collapse",), "fields": ("user_permissions",)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "user_type", "password1", "password2")}),
        ("Permissions", {"fields": ("is_staff", "is_superuser")}),
    )

    @admin.display(description="E-mail address", ordering="email")
    def address(self, account: User) -> str:
        return breakable(account.email)

    @admin.display(ordering="is_active")
    def active(self, account: User) -> str:
        return _yes_or_no(account.is_active)

    @admin.display(ordering="is_staff")
    def staff(self, account: User) -> str:
        return _yes_or_no(account.is_staff)

    @admin.display(description="Last login (UTC)", ordering="last_login", empty_value="-")
    def last_seen(self, account: User) -> str | None:
        moment = account.last_login
        return dateformat.format(moment, "j\u00a0M\u00a0Y, H:i") if moment else None

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        """Return the form, with our words for the fields that Django defines."""
        words = {"labels": _LABELS, "help_texts": _HELP_TEXTS}
        return super().get_form(request, obj, change=change, **words, **options)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the permissions of a superuser, who has them all.

        Also leave out the groups if none exist.
        """
        fieldsets = super().get_fieldsets(request, obj)
        unused = {"user_permissions"} if obj and obj.is_superuser else set()
        return _without(fieldsets, unused if Group.objects.exists() else {*unused, "groups"})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Make privileges read-only for staff, who could otherwise grant themselves privileges.

        Staff may change only the name of their own account. Otherwise, someone who stole a session
        could change the e-mail address, and then reset the password.
        """
        fields = tuple(super().get_readonly_fields(request, obj))
        if is_superuser(request.user):
            return fields
        if obj == request.user:
            return (*fields, *_PRIVILEGES, "user_type", "email", "is_active")
        role = () if may_assign_roles(request.user) else ("user_type",)
        return (*fields, *_PRIVILEGES, *role)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Apply the permission to the accounts that the user may manage, and to the user's own."""
        applies = obj is None or obj == request.user or may_manage(request.user, obj)
        return applies and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Apply the permission to the accounts that the user may manage.

        Staff who are not superusers cannot delete their own account: the deletion would also remove
        Django's log of their actions.
        """
        applies = obj is None or may_manage(request.user, obj)
        return applies and super().has_delete_permission(request, obj)

    def user_change_password(
        self, request: HttpRequest, *args: Any, **options: Any
    ) -> HttpResponse:
        """Let users set their own password only on the page that asks for the old password."""
        if self.get_object(request, unquote(str(options.get("id")))) == request.user:
            return HttpResponseRedirect(reverse("password_change"))
        view = super().user_change_password
        return self.or_again(request, QueryDict(), view, *args, **options)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer the bulk delete only to superusers, because it does not check each account."""
        actions = super().get_actions(request)
        if not is_superuser(request.user):
            actions.pop("delete_selected", None)
        return actions


def _yes_or_no(value: bool) -> str:
    """Return an icon for yes and a dash for no: Django's red cross would look like a fault."""
    return render_to_string("users/_yes_or_no.html", {"value": value})


def _without(fieldsets: Any, names: set[str]) -> list[Any]:
    """Return the fieldsets without these fields; a fieldset without fields is left out."""
    kept = [
        (title, {**options, "fields": [name for name in options["fields"] if name not in names]})
        for title, options in fieldsets
    ]
    return [each for each in kept if each[1]["fields"]]


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(
    WrittenBySuperusers, RefusalMessages, LockedWhileWritten, WithCheckboxes, BaseGroupAdmin
):
    """Groups. Their permissions apply to the members, so only superusers may change them."""

    form = GroupForm
    filter_horizontal = ()


@admin.register(RoleChange)
class RoleChangeAdmin(ReadOnlyAdmin):
    """The record of role changes."""

    list_display = ("at", "whom", "from_role", "to_role", "who")
    fields = readonly_fields = ("at", "whom", "whom_id", "from_role", "to_role", "who")
    list_filter = (("at", TimeFilter), "to_role")
    search_fields = ("whom", "who")


def _reserve(model: type[models.Model]) -> None:
    """Let only superusers write a model that another app has registered in the admin."""
    base = type(admin.site.get_model_admin(model))
    admin.site.unregister(model)
    admin.site.register(
        model, type(base.__name__, (WrittenBySuperusers, base), {"form": PlainLabels})
    )


# Staff who delete failed logins would end a lock, and could continue to guess passwords.
for _model in (AccessAttempt, AccessFailureLog, AccessLog):
    _reserve(_model)
