"""The reason why a row of a file cannot be imported."""

from typing import Any

_LONGEST = 60


class BadRow(Exception):
    """A row cannot become a story. The message says what to change in the file."""


def excerpt(value: Any) -> str:
    """Return the `repr` of a value from a file, at most 60 characters long."""
    # Long text is cut first, because the repr of five megabytes takes time.
    text = repr(value[: _LONGEST + 1] if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
