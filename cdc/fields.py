"""Model fields whose values are the same in the database, in Kafka and in MongoDB."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
    _DateTimeField = models.DateTimeField[Any, Any]
else:
    # Django's fields cannot be subscripted at run time.
    _CharField, _DateTimeField = models.CharField, models.DateTimeField


class MillisecondDateTimeField(_DateTimeField):
    """A date and time truncated to milliseconds, the precision of a BSON date.

    If MySQL computes the time itself (`Now()`), the column rounds the time instead.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "datetime(3)" if connection.vendor == "mysql" else super().db_type(connection)

    def get_prep_value(self, value: Any) -> Any:
        return _truncated(super().get_prep_value(value))

    def to_python(self, value: Any) -> Any:
        return _truncated(super().to_python(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Truncate the value on the instance too, so that it equals the stored value."""
        value = _truncated(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


class ExactCharField(_CharField):
    """Text that the database compares byte by byte, as Kafka does.

    With MySQL's default collation, `Orders` would equal `orders`.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters: Any = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


def _truncated(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value
