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
from cdc.checks import check_captured_models, check_isolation
from cdc.registry import Capture, Registry
from stories.models import Story


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """An empty registry in an empty project."""
    own = Registry()
    monkeypatch.setattr(checks, "registry", own)
    with isolate_apps("tests.support.toy") as apps:
        monkeypatch.setattr(checks, "apps", apps)
        yield own


def ids(messages: list[CheckMessage]) -> list[str | None]:
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def test_the_project_passes() -> None:
    assert check_captured_models() == []
    assert check_isolation() == []


def test_a_model_must_be_a_captured_model(declared: Registry) -> None:
    class Plain(models.Model):
        class Meta:
            app_label = "toy"

    declared.register(Capture(model=Plain))

    assert ids(check_captured_models()) == ["cdc.E001", "cdc.E002", "cdc.E003"]


def test_the_base_manager_must_capture(declared: Registry) -> None:
    class WithoutMeta(CapturedModel):
        class Meta:
            # Without a parent Meta, Django's own base manager is used.
            app_label = "toy"

    class OwnBase(CapturedModel):
        other = models.Manager()

        class Meta:
            app_label = "toy"
            base_manager_name = "other"

    declared.register(Capture(model=WithoutMeta))
    declared.register(Capture(model=OwnBase))

    assert ids(check_captured_models()) == ["cdc.E002", "cdc.E003"]


def test_every_manager_must_capture(declared: Registry) -> None:
    class Leaky(CapturedModel):
        other = models.Manager()

        class Meta(CapturedModel.Meta):
            app_label = "toy"

    declared.register(Capture(model=Leaky))

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

    declared.register(Capture(model=Real))

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

    declared.register(Capture(model=Parent))
    declared.register(Capture(model=Child))

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

    declared.register(Capture(model=Refers))

    assert ids(check_captured_models()) == found


@pytest.mark.parametrize(
    ("level", "found"),
    [
        (None, []),
        ("Read Committed", []),
        ("repeatable read", ["cdc.E007"]),
        ("serializable", ["cdc.E007"]),
    ],
)
def test_mysql_must_use_read_committed(settings: Any, level: str | None, found: list[str]) -> None:
    options = {"isolation_level": level} if level else {}
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.mysql", "OPTIONS": options}}

    assert ids(check_isolation()) == found


def test_stories_have_the_captured_manager() -> None:
    assert isinstance(Story._meta.base_manager, CapturedManager)
