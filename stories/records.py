"""What a file of rows holds, one record after the other, in bounded memory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, FileIO
from typing import Any, NoReturn

from stories.errors import BadRow

LONGEST = 5_000_000
"""Bytes (in an array, characters) of one row; the feed's largest event is far below."""
TOO_LONG = f"is longer than {LONGEST // 1_000_000} MB: shorten it"
_PEEK = 1 << 16
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row as it was found: its JSON value, or what is wrong with it."""

    where: str
    """`line 3`, or `item 3` of an array."""
    size: int
    """Characters or bytes."""
    value: Any = None
    problem: str = ""


def open_rows(path: str) -> BufferedReader:
    """Open a file so that `begins_array` can look ahead; raises OSError."""
    return BufferedReader(FileIO(path), _PEEK)


def begins_array(file: BufferedReader) -> bool:
    """Return whether the first sign of an unread file opens a JSON array."""
    return file.peek(_PEEK).removeprefix(_BOM).lstrip()[:1] == b"["


def read_lines(file: BufferedReader) -> Iterator[Record]:
    """Yield a record for each line that is not blank."""
    number = 0
    while line := file.readline(LONGEST + 2):
        number += 1
        where = f"line {number}"
        if len(line) > LONGEST and not line.endswith(b"\n"):
            yield Record(where=where, size=len(line), problem=TOO_LONG)
            _skip_line(file)
        elif text := (line.removeprefix(_BOM) if number == 1 else line).strip():
            yield parsed(where, text)


def parsed(where: str, text: bytes | str) -> Record:
    """Return the record of one row's text."""
    try:
        value = DECODER.decode(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, RecursionError, BadRow) as error:
        return Record(where=where, size=len(text), problem=problem_with(error))
    return Record(where=where, size=len(text), value=value)


def problem_with(error: Exception) -> str:
    """Return what a failed decoding says about a row."""
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8 (byte {error.start + 1}): save the file as UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON ({error.msg}, character {error.colno}): write one whole JSON object"
    if isinstance(error, RecursionError):
        return "nests too deep: flatten it"
    return f"is not JSON ({error}): correct it"


def _skip_line(file: BufferedReader) -> None:
    while (rest := file.readline(_PEEK)) and not rest.endswith(b"\n"):
        pass


def _refuse_constant(name: str) -> NoReturn:
    raise BadRow(f"{name} is no JSON number")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
