"""Prepares untrusted bytes, untrusted text and counts for display."""

import unicodedata
from bisect import bisect_left

_COMMON = 12
"""The most characters of a common beginning that are kept."""
# Control characters, invisible and direction marks, lone surrogates, private and unassigned
# characters, and the line breaks outside ASCII: each can hide or reorder the text around it.
_ACTIVE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(value: bytes | str | None, longest: int) -> str:
    """Return `value` as printable text; None becomes an empty string.

    Text that is longer than `longest` characters is truncated, and its full length is appended.
    Characters that a terminal or a browser would interpret are escaped. HTML is not escaped,
    because templates do that.
    """
    if value is None:
        return ""
    # If the limit splits a multi-byte character, its first bytes are shown as escapes.
    head, rest = value[: longest + 1], len(value) - longest
    text = head.decode(errors="backslashreplace") if isinstance(head, bytes) else head
    # A shortcut: most text is printable and has nothing to escape.
    shown = text if text.isprintable() else "".join(map(_escaped, text))
    if rest <= 0 and len(shown) <= longest:
        return shown
    unit = "bytes" if isinstance(value, bytes) else "characters"
    return f"{shown[:longest]}… ({len(value):,} {unit} in all)"


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _ACTIVE:
        return character
    return character.encode("unicode_escape").decode()


def without_common_start(before: str, after: str) -> tuple[str, str]:
    """Replace a long common beginning of two texts with an ellipsis; return both texts.

    If one text is the beginning of the other, only the rest is kept. Otherwise, the last word of
    the common beginning is kept too, so that a reader sees where the texts begin to differ.
    """
    shortest = min(len(before), len(after))
    # A value may have a million characters, so they are not compared one by one in Python.
    common = bisect_left(
        range(shortest), 1, key=lambda last: before[: last + 1] != after[: last + 1]
    )
    if common == shortest > _COMMON:
        return "…" + before[common:], "…" + after[common:]
    word = before.rfind(" ", max(common - _COMMON, 0), max(common - 1, 0)) + 1
    start = word or common - _COMMON
    if start <= _COMMON:
        return before, after
    mark = "… " if word else "…"
    return mark + before[start:], mark + after[start:]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 change` or `1,205 changes`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
