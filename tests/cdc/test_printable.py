"""Untrusted bytes and text, made safe to display."""

import pytest

from cdc.printable import counted, printable, without_common_start


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (b"", ""),
        (b'{"id":17}', '{"id":17}'),
        ("☃ and 😀, déjà", "☃ and 😀, déjà"),
        (b"\x00\x1b[31m\r\n\t", r"\x00\x1b[31m\r\n\t"),
        (b"\xff\xc3", r"\xff\xc3"),
        ("\u202egnp.exe\u2066\u200b\ufeff", r"\u202egnp.exe\u2066\u200b\ufeff"),
        ("a\u2028b\x85c\ud800", r"a\u2028b\x85c\ud800"),
    ],
)
def test_active_characters_are_escaped(value: bytes | str | None, shown: str) -> None:
    assert printable(value, 1_000) == shown


def test_long_values_are_cut_with_a_note() -> None:
    assert printable("x" * 5_000, 10) == "xxxxxxxxxx… (5,000 characters in all)"
    assert printable(b"x" * 5_000, 10) == "xxxxxxxxxx… (5,000 bytes in all)"
    assert printable("\0" * 10, 10).startswith(r"\x00\x00\x… (10")


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("A ferry keeps a promise", "A ferry keeps a promise!", ("…", "…!")),
        ("A ferry keeps a song (new)", "A ferry keeps a song", ("… (new)", "…")),
        ("A ferry keeps a song", "A ferry keeps a tale", ("… a song", "… a tale")),
        ("A ferry keeps a promise", "A ferry keeps a prop", ("… promise", "… prop")),
        ("A ferry keeps a promise", "", ("A ferry keeps a promise", "")),
        ("A short promise", "A short prop", ("A short promise", "A short prop")),
        ("x" * 30 + "1", "x" * 30 + "2", ("…" + "x" * 12 + "1", "…" + "x" * 12 + "2")),
        ("x" * 24 + "1", "x" * 24 + "2", ("x" * 24 + "1", "x" * 24 + "2")),
    ],
)
def test_a_long_common_beginning_is_left_out(
    before: str, after: str, shown: tuple[str, str]
) -> None:
    assert without_common_start(before, after) == shown


def test_a_very_long_common_beginning_is_left_out() -> None:
    start = "word " * 200_000
    assert without_common_start(f"{start}old", f"{start}new") == ("… word old", "… word new")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1205, "1,205 rows")]
)
def test_a_count_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "row") == text
