"""The rows of a file, read one at a time so that memory stays bounded."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, FileIO
from typing import Any, NoReturn

from stories.importing.errors import BadRow

LONGEST = 5_000_000
"""The maximum size of a line in bytes, or of an item of an array in characters. Stories are much
smaller."""
TOO_LONG = f"the row is longer than {LONGEST // 1_000_000} MB: shorten it"
TOO_DEEP = "the row is nested too deeply: flatten it"
_PEEK = 1 << 16
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One row of a file: its JSON value, or what is wrong with it."""

    where: str
    """The place in the file, for example `line 3`, or `item 3` if the file is an array."""
    size: int
    """The size of a line in bytes, or of an item of an array in characters."""
    value: Any = None
    problem: str = ""


def open_file(path: str) -> BufferedReader:
    """Open a file with a buffer that is large enough for `begins_array`.

    Raise OSError if the file cannot be opened.
    """
    return BufferedReader(FileIO(path), _PEEK)


def begins_array(file: BufferedReader) -> bool:
    """Return whether a newly opened file starts with `[`. The read position does not change."""
    return file.peek(_PEEK).removeprefix(_BOM).lstrip()[:1] == b"["


def read_lines(file: BufferedReader) -> Iterator[FileRow]:
    """Yield a row for each line that is not blank."""
    number = 0
    while line := file.readline(LONGEST + 2):
        number += 1
        where = f"line {number}"
        if len(line) > LONGEST and not line.endswith(b"\n"):
            yield FileRow(where=where, size=len(line), problem=TOO_LONG)
            _skip_line(file)
        elif text := (line.removeprefix(_BOM) if number == 1 else line).strip():
            yield decode_row(where, text)


def decode_row(where: str, text: bytes) -> FileRow:
    """Return the row that `text` encodes. If `text` is not JSON, the row has a problem."""
    try:
        value = DECODER.decode(text.decode())
    except (ValueError, RecursionError, BadRow) as error:
        return FileRow(where=where, size=len(text), problem=_problem(error))
    return FileRow(where=where, size=len(text), value=value)


def _problem(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"the row is not UTF-8 (byte {error.start + 1}): save the file as UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"the row is not JSON ({error.msg}, character {error.colno}): write one JSON object"
    if isinstance(error, RecursionError):
        return TOO_DEEP
    return f"the row is not JSON ({error}): correct it"


def _skip_line(file: BufferedReader) -> None:
    while (rest := file.readline(_PEEK)) and not rest.endswith(b"\n"):
        pass


def _refuse_constant(name: str) -> NoReturn:
    raise BadRow(f"{name} is not a JSON number")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
