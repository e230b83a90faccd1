"""The normalized e-mail address, and what a name may contain."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from users.fields import LoginEmailField, normalized
from users.validators import validate_name

FORMS = [(" Ann@People.EXAMPLE\n", "ann@people.example"), ("", ""), (None, None)]


@pytest.mark.parametrize(("value", "expected"), [*FORMS, (7, 7)])
def test_only_text_is_normalized(value: Any, expected: Any) -> None:
    assert normalized(value) == expected


@pytest.mark.parametrize(("value", "expected"), [*FORMS, (7, "7")])
def test_an_address_is_normalized_wherever_it_comes_from(value: Any, expected: Any) -> None:
    field = LoginEmailField()
    assert field.to_python(value) == expected
    assert field.get_prep_value(value) == expected


@pytest.mark.parametrize(("vendor", "collation"), [("mysql", "utf8mb4_bin"), ("sqlite", None)])
def test_mysql_compares_the_bytes_of_addresses(vendor: str, collation: str | None) -> None:
    types = {"data_types": connection.data_types, "ops": connection.ops}
    database: Any = SimpleNamespace(vendor=vendor, data_type_check_constraints={}, **types)

    parameters = LoginEmailField(max_length=254).db_parameters(database)

    assert parameters["type"] == "varchar(254)"
    assert parameters.get("collation") == collation


@pytest.mark.parametrize("name", ["Ann", "Ann B", "李", "7", "!", "€", "\u202eA", "🐘", "A\u200d"])
def test_a_visible_name_is_accepted(name: str) -> None:
    validate_name(name)


@pytest.mark.parametrize("name", ["A\nB", "A\tB", "A\x7f", "A\u2028B", "A\u2029B", "A\ud800"])
def test_a_name_is_one_line_without_control_characters(name: str) -> None:
    with pytest.raises(ValidationError, match="on one line, without control characters"):
        validate_name(name)


@pytest.mark.parametrize("name", ["", " ", "\u200f\u202e", "\u3000", "\u0301"])
def test_a_name_has_a_visible_character(name: str) -> None:
    with pytest.raises(ValidationError, match="visible characters"):
        validate_name(name)
