"""System checks: what a captured model must be."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, register
from django.db import models

from cdc.captured import CapturedModel, CapturedQuerySet
from cdc.registry import registry


@register()
def check_captured_models(**_: Any) -> list[CheckMessage]:
    """Return what keeps a change of a captured model from having its event."""
    found: list[CheckMessage] = []
    for capture in registry:
        found += _check_model(capture.model)
    for model in apps.get_models():
        if issubclass(model, CapturedModel) and registry.find(model) is None:
            found.append(
                Error(
                    f"{model.__name__} is a CapturedModel that is not registered.",
                    hint=f"Write register(Capture(model={model.__name__})) in its app's cdc.py.",
                    obj=model,
                    id="cdc.E004",
                )
            )
    return found


def _check_model(model: type[models.Model]) -> Iterable[CheckMessage]:
    options = model._meta  # noqa: SLF001 -- public by documentation
    if not issubclass(model, CapturedModel):
        yield Error(
            f"{model.__name__} is captured but is not a CapturedModel: its saves could lose events.",
            hint="Derive it from cdc.captured.CapturedModel.",
            obj=model,
            id="cdc.E001",
        )
    if not issubclass(options.base_manager._queryset_class, CapturedQuerySet):  # type: ignore[attr-defined]  # noqa: SLF001
        yield Error(
            f"{model.__name__}'s base manager is not captured: cascades would lose events.",
            hint="Set base_manager_name = 'objects' in Meta, or derive Meta from CapturedModel.Meta.",
            obj=model,
            id="cdc.E002",
        )
    for manager in options.managers:
        if not issubclass(manager._queryset_class, CapturedQuerySet):  # type: ignore[attr-defined]  # noqa: SLF001
            yield Error(
                f"{model.__name__}.{manager.name} is not a captured manager: its writes would be lost.",
                hint="Make it from cdc.captured.CapturedQuerySet.",
                obj=model,
                id="cdc.E003",
            )
    if options.parents or any(child._meta.concrete_model is not model for child in model.__subclasses__() if not child._meta.abstract):  # noqa: SLF001
        yield Error(
            f"{model.__name__} is part of multi-table inheritance, whose parent rows send no signals.",
            hint="Use an abstract base or a proxy.",
            obj=model,
            id="cdc.E005",
        )
