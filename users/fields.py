"""The e-mail address as a login: one form, one account."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class LoginEmailField(models.EmailField[str, str]):
    """An e-mail address without blanks around it and in lower case, wherever it comes from.

    On MySQL the column compares bytes (`utf8mb4_bin`), so that the unique key says what Python
    says: its default collation would take two addresses that differ by an accent for one.
    """

    def to_python(self, value: Any) -> Any:
        """Return the address as it will be stored."""
        return login_form(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        """Return the address as it is compared and stored."""
        return login_form(super().get_prep_value(value))

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Return the column's type, with its collation on MySQL."""
        parameters: Any = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


def login_form(value: Any) -> Any:
    """Return an address as accounts have it: without blanks around it, in lower case."""
    return value.strip().lower() if isinstance(value, str) else value
