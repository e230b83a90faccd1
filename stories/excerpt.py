"""A value from outside, short and harmless enough for a sentence on a terminal."""

from typing import Any

_LONGEST = 60


def excerpt(value: Any) -> str:
    """Return `value` as text of at most 60 characters, unprintable ones escaped."""
    # Cut before and after: the representation of a long text takes time, and escapes lengthen it.
    text = repr(value[:_LONGEST] if isinstance(value, str) else value)
    shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    cut = isinstance(value, str) and len(value) > _LONGEST and not shown.endswith("…")
    return f"{shown}…" if cut else shown
