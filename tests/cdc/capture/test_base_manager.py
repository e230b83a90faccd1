"""Rows that the model's own manager hides can be saved and deleted, as in Django."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from django.db.migrations.state import ModelState

from cdc.api import CapturedModel, CapturedQuerySet
from tests.cdc.capture.events import events, forget
from tests.cdc.capture.made import captured, isolated

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


class Live(models.Manager.from_queryset(CapturedQuerySet)):  # type: ignore[misc]
    """The manager of a soft delete."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(deleted=False)


class Parent(CapturedModel):
    name = models.CharField(max_length=9)
    deleted = models.BooleanField(default=False)

    class Meta(CapturedModel.Meta):
        abstract = True

    def __str__(self) -> str:
        return self.name


def made(order: str) -> tuple[type[models.Model], type[models.Model]]:
    """Return a model with a soft delete, and a model that refers to it."""
    if order == "first":

        class Soft(Parent):
            objects = Live()
            everything = models.Manager.from_queryset(CapturedQuerySet)()

            class Meta(CapturedModel.Meta):
                app_label = "toy"

    elif order == "last":

        class Soft(Parent):  # type: ignore[no-redef]
            everything = models.Manager.from_queryset(CapturedQuerySet)()
            objects = Live()

            class Meta(CapturedModel.Meta):
                app_label = "toy"

    else:

        class Base(Parent):
            objects = Live()

            class Meta:
                abstract = True

        class Soft(Base):  # type: ignore[no-redef]
            everything = models.Manager.from_queryset(CapturedQuerySet)()

            class Meta:
                app_label = "toy"

    class Part(CapturedModel):
        whole = models.ForeignKey(Soft, null=True, on_delete=models.CASCADE)
        deleted = models.BooleanField(default=False)
        objects = Live()

        class Meta(CapturedModel.Meta):
            app_label = "toy"

        def __str__(self) -> str:
            return str(self.pk)

    return Soft, Part


@pytest.fixture(params=["first", "last", "inherited"])
def soft(request: Any, transactional_db: None) -> Iterator[tuple[Any, Any]]:
    with isolated():
        models = made(request.param)
        with captured(*models):
            yield models


def test_a_hidden_row_can_be_changed(soft: Any) -> None:
    model, _ = soft
    one = model(name="a", deleted=True)
    one.save()
    forget()

    one.name = "b"
    one.save()
    one.name = "c"
    one.save(update_fields=["name"])
    one.refresh_from_db()
    one.deleted = False
    one.save()

    assert [(event.op, event.row["name"], event.row["deleted"]) for event in events()] == [
        ("u", "b", True),
        ("u", "c", True),
        ("u", "c", False),
    ]


def test_hidden_rows_are_part_of_a_cascade(soft: Any) -> None:
    model, part = soft
    one = model.everything.create(name="a", deleted=True)
    child = part.objects.create(whole=one, deleted=True)
    forget()

    assert part._base_manager.get(pk=child.pk).whole == one
    one.delete()

    assert [event.op for event in events()] == ["d", "d"]
    assert not part._base_manager.exists()


def test_the_manager_still_hides_rows(soft: Any) -> None:
    model, part = soft
    one = model.everything.create(name="a", deleted=True)
    part.objects.create(whole=one)

    assert not model.objects.exists()
    assert model._base_manager.count() == 1
    assert isinstance(model._default_manager, Live) is (model._meta.managers[0].name == "objects")


def test_the_state_of_migrations_can_be_rendered(soft: Any) -> None:
    from django.apps.registry import Apps  # noqa: PLC0415

    model, _ = soft
    state = ModelState.from_model(model)
    historical = state.render(Apps())

    historical._base_manager  # noqa: B018 -- raises if the manager of that name is missing


@pytest.mark.parametrize("has_own", [False, True])
def test_a_proxy_has_the_base_manager_of_its_model(soft: Any, has_own: bool) -> None:
    model, _ = soft
    if has_own:

        class Proxy(model):  # type: ignore[misc,valid-type]
            class Meta(CapturedModel.Meta):
                app_label = "toy"
                proxy = True

    else:

        class Proxy(model):  # type: ignore[misc,valid-type,no-redef]
            class Meta:
                app_label = "toy"
                proxy = True

    model.everything.create(name="a", deleted=True)

    assert isinstance(Proxy._base_manager.get_queryset(), CapturedQuerySet)
    assert Proxy._base_manager.count() == 1
