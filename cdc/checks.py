"""System checks of captured models and their databases."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 -- Django's name
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, models, router
from django.db.utils import load_backend

from cdc.capture.model import CapturedModel
from cdc.capture.queryset import CapturedQuerySet
from cdc.declarations import conflicts
from cdc.registry import registry

_ISOLATION = "read committed"
_VENDORS = ("mysql", "sqlite")
_DEFERRED = ("none", "deferred")


@register()
def check_captured_models(**_: Any) -> list[CheckMessage]:
    """Return an error or a warning for each reason why a change would have no event."""
    captured = [error for capture in registry.all() for error in _check_model(capture.model)]
    return [*captured, *_unregistered()]


@register()
def check_conflicts(**_: Any) -> list[CheckMessage]:
    """Return an error for each conflict between captures that `cdc.declarations` finds."""
    return [
        Error(found.problem, hint=found.hint, obj=found.model, id=found.check)
        for found in conflicts(registry.all())
    ]


@register()
def check_databases(**_: Any) -> list[CheckMessage]:
    """Return an error for each captured model that a router writes to another database."""
    return [
        Error(
            f"{capture.model.__name__} is captured, but DATABASE_ROUTERS writes it to {alias!r}: "
            f"only changes in {DEFAULT_DB_ALIAS!r} are published, so these writes are refused.",
            hint=f"Write it to {DEFAULT_DB_ALIAS!r}, or do not capture it.",
            obj=capture.model,
            id="cdc.E016",
        )
        for capture in registry.all()
        if (alias := router.db_for_write(capture.model)) != DEFAULT_DB_ALIAS
    ]


@register()
def check_isolation(**_: Any) -> list[CheckMessage]:
    """Return an error if MySQL's isolation level for captured rows is not READ COMMITTED."""
    database = _default_database()
    # With None, Django leaves the server's default, which is REPEATABLE READ.
    level = _option(database, "isolation_level", _ISOLATION)
    if _vendor(database) != "mysql" or level == _ISOLATION:
        return []
    return [
        Error(
            f"DATABASES[{DEFAULT_DB_ALIAS!r}] has the isolation level {level!r}: captured writes "
            "would read rows as of the start of the transaction, and statements on the outbox "
            "would take gap locks.",
            hint="Set OPTIONS['isolation_level'] to 'read committed', Django's default.",
            id="cdc.E007",
        )
    ]


@register()
def check_time_zones(**_: Any) -> list[CheckMessage]:
    """Return an error if the project stores times without a zone."""
    if settings.USE_TZ:
        return []
    return [
        Error(
            "USE_TZ is False: times without a zone would be published as wrong times, and replays "
            "and reconciliations would fail.",
            hint="Set USE_TZ = True. MySQL and SQLite then store times in UTC: convert the stored "
            "times first.",
            id="cdc.E027",
        )
    ]


@register()
def check_vendor(**_: Any) -> list[CheckMessage]:
    """Return a message if the database cannot be captured, or if captured writes may fail."""
    database = _default_database()
    vendor = _vendor(database)
    if vendor not in _VENDORS:
        return [
            Error(
                f"DATABASES[{DEFAULT_DB_ALIAS!r}] is of the type {vendor!r}: only MySQL, "
                "MariaDB and SQLite can be captured.",
                hint="Move the captured models to one of these databases, or remove 'cdc' from "
                "INSTALLED_APPS.",
                id="cdc.E028",
            )
        ]
    if vendor == "sqlite" and _option(database, "transaction_mode", "none") in _DEFERRED:
        return [
            Warning(
                f"DATABASES[{DEFAULT_DB_ALIAS!r}] has the transaction mode DEFERRED: a captured "
                "write reads before it writes, so it fails at once with 'database is locked' if "
                "another process writes in between.",
                hint="Set OPTIONS['transaction_mode'] to 'IMMEDIATE'.",
                id="cdc.W013",
            )
        ]
    return []


def _default_database() -> dict[str, Any]:
    """Return the settings of the only database whose changes are published."""
    database: dict[str, Any] = settings.DATABASES.get(DEFAULT_DB_ALIAS, {})
    return database


def _vendor(database: dict[str, Any]) -> str:
    """Return the vendor of a database, for example "mysql", also for MariaDB."""
    engine = database.get("ENGINE") or "django.db.backends.dummy"
    try:
        return str(load_backend(engine).DatabaseWrapper.vendor)
    except (ImproperlyConfigured, ImportError):  # The driver is not installed.
        return str(engine).rpartition(".")[2]


def _option(database: dict[str, Any], name: str, default: str) -> str:
    return str(database.get("OPTIONS", {}).get(name, default)).lower()


def _unregistered() -> Iterator[CheckMessage]:
    for model in apps.get_models():
        if issubclass(model, CapturedModel) and registry.find(model) is None:
            yield Error(
                f"{model.__name__} is a CapturedModel that is not registered.",
                hint=f"Add register(Capture(model={model.__name__})) to its app's cdc.py.",
                obj=model,
                id="cdc.E004",
            )


def _check_many_to_many(model: type[models.Model]) -> Iterator[CheckMessage]:
    for field in model._meta.local_many_to_many:
        through = field.remote_field.through
        if through is None or registry.find(through) is None:
            yield Warning(
                f"{model.__name__}.{field.name} is a many-to-many field: its rows are in another "
                "table, and changes to these rows have no events.",
                hint="Derive a model for that table from CapturedModel, name it in through=, and "
                "register it; or silence this check if the replica does not need the rows.",
                obj=field,
                id="cdc.W010",
            )


def _check_model(model: type[models.Model]) -> Iterator[CheckMessage]:
    if not issubclass(model, CapturedModel):
        yield Error(
            f"{model.__name__} is captured but is not a CapturedModel: its changes have no events.",
            hint="Derive it from cdc.api.CapturedModel.",
            obj=model,
            id="cdc.E001",
        )
    if model._meta.parents or model in _extended():
        yield Error(
            f"{model.__name__} uses multi-table inheritance: changes in the other table "
            "would have no events.",
            hint="Use an abstract base or a proxy.",
            obj=model,
            id="cdc.E005",
        )
    yield from _check_managers(model)
    yield from _check_references(model)
    yield from _check_many_to_many(model)


def _extended() -> Iterator[type[models.Model]]:
    """Yield the models that another model extends by multi-table inheritance."""
    for other in apps.get_models():
        yield from other._meta.parents if not other._meta.proxy else ()


def _check_managers(model: type[models.Model]) -> Iterator[CheckMessage]:
    if not _captures(model._meta.base_manager):
        yield Error(
            f"{model.__name__}'s base manager is not a captured manager: cascades would have no "
            "events.",
            hint="Set base_manager_name = 'objects', or derive Meta from CapturedModel.Meta.",
            obj=model,
            id="cdc.E002",
        )
    elif _hides_rows(model._meta.base_manager):
        yield Error(
            f"{model.__name__}'s base manager {model._meta.base_manager.name} hides rows: they "
            "could not be saved again, and cascades would leave them out.",
            hint="Set base_manager_name to a manager without a filter, or remove this option.",
            obj=model,
            id="cdc.E026",
        )
    for one in (model, *_proxies(model)):
        for manager in one._meta.managers:
            if not _captures(manager):
                yield Error(
                    f"{one.__name__}.{manager.name} is not a captured manager: writes "
                    "through it have no events.",
                    hint="Create the manager from cdc.api.CapturedQuerySet.",
                    obj=one,
                    id="cdc.E003",
                )


def _proxies(model: type[models.Model]) -> Iterator[type[models.Model]]:
    for other in apps.get_models():
        if other._meta.proxy and other._meta.concrete_model is model:
            yield other


def _check_references(model: type[models.Model]) -> Iterator[CheckMessage]:
    for field in model._meta.concrete_fields:
        on_delete = getattr(field.remote_field, "on_delete", None)
        # CASCADE, PROTECT and RESTRICT update no rows. For any other handler that is not lazy,
        # Django loads the referring rows, and then updates them without a queryset or a signal.
        updates = on_delete not in {models.CASCADE, models.PROTECT, models.RESTRICT, None}
        lazy = getattr(on_delete, "lazy_sub_objs", on_delete is models.DO_NOTHING)
        if updates and not lazy:
            yield Error(
                f"{model.__name__}.{field.name} has on_delete={_name(on_delete)}, which Django "
                "applies without a queryset or a signal: such changes have no events.",
                hint="Use CASCADE, PROTECT, RESTRICT, SET_NULL, SET(value) or DO_NOTHING.",
                obj=field,
                id="cdc.E006",
            )


def _name(handler: Any) -> str:
    return str(getattr(handler, "__name__", handler))


def _hides_rows(manager: Any) -> bool:
    query = manager.get_queryset().query
    return bool(query.where) or query.is_sliced


def _captures(manager: Any) -> bool:
    return isinstance(manager.get_queryset(), CapturedQuerySet)
