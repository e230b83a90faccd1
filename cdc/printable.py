"""Strangers' bytes and texts as people may look at them: nothing in them takes effect."""

import unicodedata

# Controls, invisible and direction marks, lone surrogates, private and unassigned characters,
# and the two that break lines outside ASCII: each could hide or reorder what stands around it.
_ACTIVE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def inert(value: bytes | str | None, longest: int) -> str:
    """Return printable text of at most `longest` characters and a note of how much was cut.

    What a terminal or a browser would act upon is written as its escape. HTML is not escaped:
    templates do that.
    """
    if value is None:
        return ""
    # Bytes that are cut in the middle of a character show its first bytes as escapes.
    head, rest = value[: longest + 1], len(value) - longest
    text = head.decode(errors="backslashreplace") if isinstance(head, bytes) else head
    # What is printable holds none of these; most text is.
    shown = text if text.isprintable() else "".join(map(_escaped, text))
    if rest <= 0 and len(shown) <= longest:
        return shown
    unit = "bytes" if isinstance(value, bytes) else "characters"
    return f"{shown[:longest]}… ({len(value):,} {unit} in all)"


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _ACTIVE:
        return character
    return character.encode("unicode_escape").decode()
