"""The system checks of captured models and databases."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.checks import CheckMessage
from django.db import models
from django.test.utils import isolate_apps

from cdc import checks
from cdc.capture.model import CapturedModel
from cdc.capture.queryset import CapturedManager
from cdc.checks import (
    check_captured_models,
    check_conflicts,
    check_databases,
    check_isolation,
)
from cdc.registry import Capture, Registry
from stories.models import Story


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Yield an empty registry in a project without models."""
    own = Registry()
    monkeypatch.setattr(checks, "registry", own)
    with isolate_apps("tests.support.toy") as apps:
        monkeypatch.setattr(checks, "apps", apps)
        yield own


def declare(declared: Registry, model: type[models.Model], **names: Any) -> None:
    """Capture a model into its own topic and collection, unless `names` gives others."""
    name = model.__name__.lower()
    declared.register(Capture(model=model, **{"topic": name, "collections": (name,), **names}))


def ids(messages: list[CheckMessage]) -> list[str | None]:
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def test_the_project_passes() -> None:
    assert check_captured_models() == []
    assert check_conflicts() == []
    assert check_databases() == []
    assert check_isolation() == []


def test_captures_must_not_share(declared: Registry) -> None:
    class One(CapturedModel):
        class Meta(CapturedModel.Meta):
            app_label = "toy"

    class Two(CapturedModel):
        class Meta(CapturedModel.Meta):
            app_label = "toy"

    declared.register(Capture(model=Two))
    declared.register(Capture(model=One))

    assert ids(check_captured_models()) == []
    assert ids(check_conflicts()) == ["cdc.E013", "cdc.E014"]
    assert {message.obj for message in check_conflicts()} == {Two}


def test_many_to_many_rows_have_no_events_unless_captured(declared: Registry) -> None:
    class Membership(CapturedModel):
        group = models.ForeignKey("Club", on_delete=models.CASCADE)
        member = models.ForeignKey(ContentType, on_delete=models.CASCADE)

        class Meta(CapturedModel.Meta):
            app_label = "toy"

    class Club(CapturedModel):
        plain: Any = models.ManyToManyField(ContentType, related_name="+")
        members: Any = models.ManyToManyField(ContentType, through=Membership, related_name="+")

        class Meta(CapturedModel.Meta):
            app_label = "toy"

    declare(declared, Club)
    declare(declared, Membership)

    (message,) = check_captured_models()
    assert (message.id, "Club.plain" in message.msg) == ("cdc.W010", True)
    assert not message.is_serious()


class ToOther:
    """A router that sends every write to another database."""

    def db_for_write(self, model: type, **_: Any) -> str:
        return "other"


def test_a_router_must_not_write_to_another_database(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.ToOther"]

    found = check_databases()

    assert set(ids(found)) == {"cdc.E016"}
    assert Story in {message.obj for message in found}


def test_a_model_must_be_a_captured_model(declared: Registry) -> None:
    class Plain(models.Model):
        class Meta:
            app_label = "toy"

    declare(declared, Plain)

    assert ids(check_captured_models()) == ["cdc.E001", "cdc.E002", "cdc.E003"]


def test_the_base_manager_must_capture(declared: Registry) -> None:
    class WithoutMeta(CapturedModel):
        class Meta:
            # This Meta has no parent, so the model has Django's base manager.
            app_label = "toy"

    class OwnBase(CapturedModel):
        other = models.Manager()

        class Meta:
            app_label = "toy"
            base_manager_name = "other"

    declare(declared, WithoutMeta)
    declare(declared, OwnBase)

    assert ids(check_captured_models()) == ["cdc.E002", "cdc.E003"]


class Few(CapturedManager):  # type: ignore[type-arg]
    def get_queryset(self) -> Any:
        return super().get_queryset().filter(deleted=False)


class First(CapturedManager):  # type: ignore[type-arg]
    def get_queryset(self) -> Any:
        return super().get_queryset()[:1]


@pytest.mark.parametrize("manager", [Few, First])
def test_a_named_base_manager_must_not_hide_rows(declared: Registry, manager: type[Any]) -> None:
    class Named(CapturedModel):
        deleted = models.BooleanField(default=False)
        some = manager()

        class Meta:
            app_label = "toy"
            base_manager_name = "some"

    class Unnamed(CapturedModel):
        deleted = models.BooleanField(default=False)
        objects = manager()

        class Meta(CapturedModel.Meta):
            app_label = "toy"

    declare(declared, Named)
    declare(declared, Unnamed)

    (message,) = check_captured_models()
    assert (message.id, message.obj) == ("cdc.E026", Named)


def test_every_manager_must_capture(declared: Registry) -> None:
    class Leaky(CapturedModel):
        other = models.Manager()

        class Meta(CapturedModel.Meta):
            app_label = "toy"

    declare(declared, Leaky)

    (message,) = check_captured_models()
    assert (message.id, "Leaky.other" in message.msg) == ("cdc.E003", True)


def test_a_proxy_s_managers_must_capture(declared: Registry) -> None:
    class Real(CapturedModel):
        class Meta(CapturedModel.Meta):
            app_label = "toy"

    class Proxy(Real):
        other = models.Manager()

        class Meta(CapturedModel.Meta):
            app_label = "toy"
            proxy = True

    declare(declared, Real)

    (message,) = check_captured_models()
    assert (message.id, message.obj) == ("cdc.E003", Proxy)


def test_a_captured_model_must_be_registered(declared: Registry) -> None:
    class Forgotten(CapturedModel):
        class Meta(CapturedModel.Meta):
            app_label = "toy"

    assert ids(check_captured_models()) == ["cdc.E004"]


def test_inheritance_over_two_tables_is_refused(declared: Registry) -> None:
    class Parent(CapturedModel):
        class Meta(CapturedModel.Meta):
            app_label = "toy"

    class Child(Parent):
        class Meta(CapturedModel.Meta):
            app_label = "toy"

    declare(declared, Parent)
    declare(declared, Child)

    assert ids(check_captured_models()) == ["cdc.E005", "cdc.E005"]


@pytest.mark.parametrize(
    ("on_delete", "found"),
    [
        (models.CASCADE, []),
        (models.PROTECT, []),
        (models.RESTRICT, []),
        (models.DO_NOTHING, []),
        (models.SET_NULL, []),
        (models.SET(1), []),
        (models.SET_DEFAULT, ["cdc.E006"]),
        (lambda *_: None, ["cdc.E006"]),
    ],
)
def test_a_reference_must_be_cleared_by_a_queryset(
    declared: Registry, on_delete: Any, found: list[str]
) -> None:
    class Refers(CapturedModel):
        to = models.ForeignKey(ContentType, null=True, default=1, on_delete=on_delete)

        class Meta(CapturedModel.Meta):
            app_label = "toy"

    declare(declared, Refers)

    assert ids(check_captured_models()) == found


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, []),
        ({"isolation_level": "Read Committed"}, []),
        ({"isolation_level": None}, ["cdc.E007"]),
        ({"isolation_level": ""}, ["cdc.E007"]),
        ({"isolation_level": "repeatable read"}, ["cdc.E007"]),
        ({"isolation_level": "serializable"}, ["cdc.E007"]),
    ],
)
def test_mysql_must_use_read_committed(
    settings: Any, options: dict[str, str | None], found: list[str]
) -> None:
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.mysql", "OPTIONS": options}}

    assert ids(check_isolation()) == found


@pytest.mark.parametrize("level", [None, "repeatable read"])
def test_another_database_may_have_any_isolation_level(settings: Any, level: str | None) -> None:
    mysql = {"ENGINE": "django.db.backends.mysql"}
    settings.DATABASES = {"default": mysql, "old": {**mysql, "OPTIONS": {"isolation_level": level}}}

    assert check_isolation() == []


def test_a_backend_derived_from_that_of_mysql_is_mysql(settings: Any) -> None:
    engine = "django.contrib.gis.db.backends.mysql"
    options = {"isolation_level": "serializable"}
    settings.DATABASES = {"default": {"ENGINE": engine, "OPTIONS": options}}

    assert ids(check_isolation()) == ["cdc.E007"]


def test_stories_have_the_captured_manager() -> None:
    assert isinstance(Story._meta.base_manager, CapturedManager)
