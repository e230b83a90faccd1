"""Fields that convert the values that Django reads."""

import enum
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.db import models


class Colour(enum.Enum):
    RED = "r"


class Shade(str, enum.Enum):  # noqa: UP042 - its text is not its value, unlike that of StrEnum
    RED = "r"


class Converting:
    """Converts stored values with `read`, and values to be stored with `written`."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return None if value is None else self.read(value)

    def to_python(self, value: Any) -> Any:
        return value if value is None or not isinstance(value, str) else self.read(value)

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else self.written(value)

    def read(self, value: Any) -> Any:
        raise NotImplementedError

    def written(self, value: Any) -> Any:
        raise NotImplementedError


class EnumField(Converting, models.CharField[Any, Any]):
    kind: Any = Colour

    def read(self, value: Any) -> Any:
        return self.kind(value)

    def written(self, value: Any) -> Any:
        return value.value if isinstance(value, enum.Enum) else value


class ShadeField(EnumField):
    kind = Shade


class ListField(Converting, models.TextField[Any, Any]):
    def read(self, value: Any) -> Any:
        return value.split(",")

    def written(self, value: Any) -> Any:
        return value if isinstance(value, str) else ",".join(value)


class SecretField(Converting, models.TextField[Any, Any]):
    """Is encrypted differently each time."""

    salts = count()

    def read(self, value: Any) -> Any:
        return value.partition("$")[2][::-1]

    def written(self, value: Any) -> Any:
        return f"{next(self.salts)}${value[::-1]}"


class SecretNumberField(SecretField, models.IntegerField[Any, Any]):  # type: ignore[misc]
    def get_internal_type(self) -> str:
        return "TextField"

    def read(self, value: Any) -> Any:
        return int(super().read(value))

    def written(self, value: Any) -> Any:
        return super().written(str(value))


@dataclass(frozen=True)
class Held:
    value: Any


class HeldField(Converting):
    def read(self, value: Any) -> Any:
        return Held(value)

    def written(self, value: Any) -> Any:
        return value.value if isinstance(value, Held) else value

    def pre_save(self, instance: Any, add: bool) -> Any:
        return self.written(getattr(instance, self.attname))  # type: ignore[attr-defined]


class HeldNumberField(HeldField, models.IntegerField[Any, Any]):
    pass


class HeldDecimalField(HeldField, models.DecimalField[Any, Any]):
    pass


class HeldDateField(HeldField, models.DateField[Any, Any]):
    pass


class HeldJsonField(HeldField, models.JSONField[Any, Any]):
    def from_db_value(self, value: Any, *rest: Any) -> Any:
        return Held(models.JSONField.from_db_value(self, value, *rest))


class ReadElsewhereField(models.CharField[Any, Any]):
    def get_db_converters(self, connection: Any) -> list[Any]:
        return [lambda value, *_: Held(value)]

    def get_prep_value(self, value: Any) -> Any:
        return value.value if isinstance(value, Held) else value


class BytesField(SecretField):
    def get_internal_type(self) -> str:
        return "BinaryField"
