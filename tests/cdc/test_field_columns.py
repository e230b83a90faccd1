"""The columns of a model, by the classes of its fields."""

from datetime import UTC, datetime, time

import pytest
from django.db import models

from cdc.errors import Misconfigured
from cdc.field_columns import columns_of
from tests.support.toy.models import Note, Toy


def test_columns_have_the_table_s_names() -> None:
    names = {column.attname: column.name for column in columns_of(Toy)}

    assert names["name"] == "toyName"
    assert names["part_of_id"] == "part_of_id"
    assert next(iter(names)) == "id"


def test_a_column_with_its_own_encoder_is_not_checked_early() -> None:
    class Coded(models.Model):
        data = models.JSONField(encoder=object)  # type: ignore[arg-type]

        class Meta:
            app_label = "coded"

    (_, data) = columns_of(Coded)
    data.refuse_early({"a": datetime(2009, 1, 1, tzinfo=UTC)})


def test_a_field_without_a_column_type_is_refused() -> None:
    class Blob(models.Model):
        data = models.BinaryField()

        class Meta:
            app_label = "blob"

    with pytest.raises(Misconfigured, match=r"Blob\.data is a BinaryField"):
        columns_of(Blob)


def test_a_generated_column_has_the_type_of_its_output() -> None:
    class Sum(models.Model):
        a = models.IntegerField()
        twice = models.GeneratedField(
            expression=models.F("a") * 2, output_field=models.IntegerField(), db_persist=True
        )

        class Meta:
            app_label = "sum"

    assert [column.schema()["type"] for column in columns_of(Sum)] == ["integer"] * 3


def test_a_foreign_key_has_the_type_of_its_target() -> None:
    kinds = {column.name: column.schema() for column in columns_of(Note)}

    assert kinds["content_type_id"]["type"] == "integer"


def test_a_time_of_day_is_text() -> None:
    class Clock(models.Model):
        at = models.TimeField()

        class Meta:
            app_label = "clock"

    assert columns_of(Clock)[1].to_wire(time(1, 2, 3)) == "01:02:03"
