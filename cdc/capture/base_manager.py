"""The base manager of captured models. Django saves, cascades and follows references through it."""

from typing import Any

from django.db.models import Model
from django.db.models.manager import BaseManager
from django.db.models.options import Options
from django.db.models.signals import class_prepared
from django.utils.functional import cached_property

from cdc.capture.queryset import CapturedManager

_OBJECTS = "objects"


class CapturedOptions(Options):  # type: ignore[type-arg]  # not subscriptable at run time
    """The `_meta` of a captured model, with a base manager that hides no rows.

    `CapturedModel.Meta` names `objects` as the base manager. A model may define its own `objects`,
    with a `get_queryset()` that hides rows. A hidden row could not be saved again, and cascades
    would skip it. For such a model, this class uses a different base manager, which migrations do
    not contain. Django reads `_meta.base_manager` again after each change of the model class.
    """

    @cached_property
    def base_manager(self) -> Any:
        found: Any = super().base_manager
        if found.name == _OBJECTS:
            hides = type(found).get_queryset is not BaseManager.get_queryset
        else:
            # Django may have created it, for example for a proxy whose Meta has no parent.
            hides = found.auto_created
        return _unfiltered(self.model) if hides else found


def prepare(sender: type[Model]) -> None:
    """Give a captured model its base manager, after Django has created the class."""
    meta: Any = sender._meta
    meta.__class__ = CapturedOptions
    meta._expire_cache()  # noqa: SLF001 -- part of no public API, and called by Django only
    named = meta.original_attrs.get("base_manager_name") == _OBJECTS
    if named and _OBJECTS not in (meta.base_manager.name, meta.default_manager.name):
        # A migration contains the base manager and the default manager, but not `objects`. The
        # model in the migration would therefore not find `objects`.
        del meta.original_attrs["base_manager_name"]


def connect(base: type[Model]) -> None:
    """Call `prepare` for each subclass of `base` that is not abstract."""

    def prepared(sender: type[Model], **_: Any) -> None:
        if issubclass(sender, base):
            prepare(sender)

    class_prepared.connect(prepared, weak=False)


def _unfiltered(model: type[Model]) -> Any:
    manager: Any = CapturedManager()
    manager.name = "_base_manager"
    manager.model = model
    manager.auto_created = True
    return manager
