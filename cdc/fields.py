"""Model fields whose values are the same on both ends."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class MillisecondDateTimeField(models.DateTimeField[Any, Any]):
    """A date and time cut to milliseconds, the precision of a BSON date, wherever it is written.

    A time that MySQL makes itself (`Now()`) is rounded to milliseconds by the column.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the column's type."""
        return "datetime(3)" if connection.vendor == "mysql" else super().db_type(connection)

    def get_prep_value(self, value: Any) -> Any:
        """Return the value as it is compared and stored."""
        return _cut(super().get_prep_value(value))

    def to_python(self, value: Any) -> Any:
        """Return the value as it will be stored."""
        return _cut(super().to_python(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Cut the instance's own value too, so that it equals the stored one."""
        value = _cut(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


class ExactCharField(models.CharField[str, str]):
    """Text that is equal only to itself, byte by byte.

    MySQL's default collation would take `Orders` and `orders` for one, Kafka tells them apart.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Return the column's type, with its collation on MySQL."""
        parameters: Any = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


def _cut(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value
