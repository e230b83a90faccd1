"""Reads environment variables as typed values. NAME_FILE can name a file with the value of NAME."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdc.errors import Misconfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Variables:
    """Environment variables; an empty value counts as unset. Methods raise Misconfigured."""

    values: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        """Return NAME, or the stripped content of the file that NAME_FILE names, or `default`."""
        if value := self.values.get(name, ""):
            return value
        if path := self.values.get(f"{name}_FILE", ""):
            return _secret(name, Path(path))
        return default

    def flag(self, name: str) -> bool:
        """Return NAME as a boolean; the default is False."""
        value = self.text(name).lower()
        if value not in _TRUE | _FALSE:
            raise Misconfigured(f"{name} is {value!r}: set it to 'true' or 'false'.")
        return value in _TRUE

    def number(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        try:
            return int(value)
        except ValueError:
            raise Misconfigured(f"{name} is {value!r}: set it to a whole number.") from None

    def names(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the comma-separated parts of NAME, stripped and without empty parts."""
        parts = tuple(part.strip() for part in self.text(name).split(",") if part.strip())
        return parts or default


def _secret(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"{name}_FILE is {str(path)!r}, which cannot be read ({error}): "
            "name a readable text file."
        ) from None
