"""The e-mail address with which users log in, in one normalized form."""

from typing import Any

from django import forms
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

LONGEST = 254
"""The maximum length of an address, in characters of the normalized form."""


class LoginEmailInput(forms.EmailField):
    """A form field that normalizes an address before it is validated.

    The lower-case form may be longer than the text that was typed: `İ` has two characters in lower
    case.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": LONGEST, **options})
        # The browser counts the characters that are typed.
        self.widget.attrs.setdefault("maxlength", str(LONGEST))

    def to_python(self, value: Any) -> Any:
        return normalized(super().to_python(value))


class LoginEmailField(models.EmailField[str, str]):
    """An e-mail address that is stripped and lowercased before it is stored or compared.

    On MySQL, the column compares bytes (`utf8mb4_bin`). The default collation would treat two
    addresses as equal if they differ only in an accent.
    """

    def to_python(self, value: Any) -> Any:
        return normalized(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return normalized(super().get_prep_value(value))

    def formfield(self, **options: Any) -> Any:
        return super().formfield(**{"form_class": LoginEmailInput, **options})

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters: Any = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


def normalized(value: Any) -> Any:
    """Return text stripped and in lower case. Other values are returned unchanged."""
    return value.strip().lower() if isinstance(value, str) else value
