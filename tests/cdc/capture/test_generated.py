"""The validation of instances with columns that only the database computes."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F
from django.forms import modelform_factory

from cdc.api import CapturedModel
from tests.cdc.capture.events import events, forget
from tests.cdc.capture.made import captured, isolated

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def sum_model(transactional_db: None) -> Iterator[Any]:
    with isolated():

        class Sum(CapturedModel):
            n = models.IntegerField(default=1)
            word = models.CharField(max_length=9, default="a")
            twice = models.GeneratedField(
                expression=F("n") * 2, output_field=models.IntegerField(), db_persist=True
            )

            class Meta(CapturedModel.Meta):
                app_label = "toy"

            def __str__(self) -> str:
                return f"{self.n}"

        with captured(Sum):
            yield Sum


@pytest.mark.parametrize("key", [{}, {"pk": 7}])
def test_a_new_row_can_be_validated(sum_model: Any, key: dict[str, int]) -> None:
    one = sum_model(n=3, **key)
    one.full_clean()
    forget()

    one.save()

    assert [event.after["twice"] for event in events() if event.after] == [6]


def test_a_form_can_add_and_change_a_row(sum_model: Any) -> None:
    form = modelform_factory(sum_model, fields=["n"])

    added = form({"n": "4"})
    assert added.is_valid(), added.errors
    one = added.save()
    changed = form({"n": "5"}, instance=sum_model.objects.get(pk=one.pk))
    assert changed.is_valid(), changed.errors
    forget()
    changed.save()

    assert [event.after["twice"] for event in events() if event.after] == [10]


def test_other_columns_are_still_validated(sum_model: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        sum_model(word="\ud800").full_clean()

    assert list(caught.value.message_dict) == ["word"]
