"""Validators for story columns, the same on every database."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from users.validators import is_visible

LARGEST_COUNT = 2**32 - 1
"""The largest unsigned INTEGER in MySQL. SQLite would accept larger numbers."""

validate_web_address = URLValidator(
    schemes=["http", "https"], message="Enter an address that begins with http:// or https://."
)


def validate_text(value: str) -> None:
    """Refuse characters that a database, Kafka or MongoDB cannot store."""
    if "\0" in value:
        raise ValidationError("Remove the NUL character.", code="nul")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValidationError(
            "Remove the invalid character (a lone surrogate).", code="surrogate"
        ) from None


def validate_slashes(value: str) -> None:
    """Refuse addresses for which browsers might open a different host than the site shows.

    Browsers read a backslash as a slash, so for a browser, the host ends before the backslash.
    """
    if "\\" in value.partition("?")[0].partition("#")[0]:
        raise ValidationError("Write the address with slashes, not backslashes.", code="backslash")


def validate_visible(value: str) -> None:
    """Refuse text without visible characters: a link with such text cannot be seen."""
    if not is_visible(value):
        raise ValidationError("Enter text with visible characters.", code="invisible")


def validate_object(value: Any) -> None:
    if not isinstance(value, dict):
        raise ValidationError('Enter a JSON object, such as {"name": "World"}.', code="object")


def validate_optional_object(value: Any) -> None:
    if value is not None:
        validate_object(value)


def validate_list(value: Any) -> None:
    if not isinstance(value, list):
        raise ValidationError('Enter a JSON list, such as [{"name": "x"}].', code="list")
