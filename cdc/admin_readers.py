"""Base classes for read-only admin pages, and for pages that hide personal data from some users."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from cdc.audience import Audience, AudienceOf, no_access


class PlainLabels(forms.ModelForm):  # type: ignore[type-arg]  # not at run time
    """A form whose labels do not end with a colon."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **options})


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not at run time
    """A `ModelAdmin` that shows rows, but does not add, change or delete them."""

    form = PlainLabels
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class TimeFilter(admin.DateFieldListFilter):
    """Django's filter by a time, with a heading that does not depend on the name of the field."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.title = "time"


class ForAudience(ReadOnlyAdmin):
    """A `ReadOnlyAdmin` that shows some fields only to users who may see personal data.

    A project assigns `audience_of`. By default, only superusers see these fields.
    """

    audience_of: AudienceOf = staticmethod(no_access)
    personal: ClassVar[tuple[str, ...]] = ()
    """The fields, list columns and search fields that may contain personal data."""

    def audience(self, request: HttpRequest) -> Audience:
        """Return what the user of a request may see."""
        known = Audience.OPERATORS if getattr(request.user, "is_superuser", False) else None
        return self.audience_of(request.user) or known or Audience.OVERSEERS

    def get_list_display(self, request: HttpRequest) -> Any:
        return self._visible(super().get_list_display(request), request)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self._visible(super().get_fields(request, obj), request)

    def get_list_filter(self, request: HttpRequest) -> Any:
        return self._visible(super().get_list_filter(request), request)

    def get_search_fields(self, request: HttpRequest) -> Any:
        return self._visible(super().get_search_fields(request), request)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """If a user must not see personal data, allow only the filters that this user sees."""
        if not self.audience(request).sees_people:
            offered = {_field_of(each) for each in self.get_list_filter(request)}
            if lookup.partition("__")[0] not in offered:
                return False
        return super().lookup_allowed(lookup, value, request)

    def _visible(self, names: Sequence[Any], request: HttpRequest) -> Sequence[Any]:
        if self.audience(request).sees_people:
            return names
        return [name for name in names if _field_of(name) not in self.personal]


def _field_of(item: Any) -> str:
    """Return the name of a field or of a list filter, which may be a pair of a name and a class."""
    return str(item[0] if isinstance(item, tuple) else item)
