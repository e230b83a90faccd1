"""Reads the items of a JSON array of any length in bounded memory, and reports broken items.

docs/decisions/0024 explains why ijson is not used.
"""

import codecs
import re
from collections.abc import Iterator
from io import BufferedReader

from stories.importing.errors import BadRow
from stories.importing.file_rows import DECODER, LONGEST, TOO_LONG, FileRow, decode_row

_CHUNK = 1 << 16
_SEPARATORS = re.compile(r"[\s,\[\]]*")
_STRUCTURE = re.compile(r'\\.|["{}\[\],]', re.DOTALL)
_NEXT_ITEM = re.compile(r'\n\s?\{\s?"')
"""A line that starts an object. After a broken item, reading resumes at such a line."""


def read_array(file: BufferedReader) -> Iterator[FileRow]:
    """Yield a row for each item. If the array is not closed, yield a final row with a problem."""
    return _ArrayReader(file).rows()


class _Nesting:
    """The open braces, brackets and quotes of an item that is not valid JSON."""

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False

    def end_of_item(self, text: str, start: int) -> int | None:
        """Return where the item ends; None if the item continues after `text`."""
        for match in _STRUCTURE.finditer(text, start):
            mark = match.group()
            if self._quoted or mark == '"':
                self._quoted = self._quoted != (mark == '"')
            elif self._depth == 0 and mark in ",]":
                return match.start()
            elif mark in "{[":
                self._depth += 1
            elif mark in "}]":
                self._depth -= 1
                if self._depth <= 0:
                    return match.end()
        return None


class _ArrayReader:
    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        # With surrogateescape, a byte that is not UTF-8 makes only its own item invalid.
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._text, self._at = "", 0
        self._number = 0
        self._closed = False

    def rows(self) -> Iterator[FileRow]:
        while self._find_item():
            self._number += 1
            self._closed = False
            yield self._item()
        if not self._closed:
            problem = "the array has no closing ']': the file might be incomplete"
            yield FileRow(where=f"item {self._number + 1}", size=0, problem=problem)

    def _find_item(self) -> bool:
        """Move to the next item. Return False at the end of the file."""
        while True:
            if separators := _SEPARATORS.match(self._text, self._at):
                self._closed = self._closed or "]" in separators.group()
                self._at = separators.end()
            if self._at < len(self._text):
                return True
            if not self._read_more():
                return False

    def _item(self) -> FileRow:
        while True:
            start = self._at
            try:
                value, self._at = DECODER.raw_decode(self._text, start)
                self._text[start : self._at].encode()
            except (ValueError, RecursionError, BadRow):
                self._at = start
                if len(self._text) - start <= LONGEST and self._read_more():
                    continue
                return self._broken_item()
            size = self._at - start
            problem = TOO_LONG if size > LONGEST else ""
            return FileRow(where=f"item {self._number}", size=size, value=value, problem=problem)

    def _broken_item(self) -> FileRow:
        where, start, nesting = f"item {self._number}", self._at, _Nesting()
        end = nesting.end_of_item(self._text, start)
        if next_item := _NEXT_ITEM.search(self._text, start + 1, end or len(self._text)):
            end = next_item.start()
        if end is None and len(self._text) - start > LONGEST:
            self._skip_item(nesting)
            return FileRow(where=where, size=LONGEST, problem=TOO_LONG)
        self._at = len(self._text) if end is None else end
        return decode_row(where, self._text[start : self._at].encode(errors="surrogateescape"))

    def _skip_item(self, nesting: _Nesting) -> None:
        """Move to the end of an item that is too long."""
        end: int | None = None
        while end is None:
            # A backslash at the end of the text escapes the next character, so it is kept.
            self._at = len(self._text) - self._text.endswith("\\")
            if not self._read_more():
                break
            end = nesting.end_of_item(self._text, 0)
        self._at = len(self._text) if end is None else end

    def _read_more(self) -> bool:
        """Read the next part of the file and drop the used text. Return False at the end."""
        data = self._file.read(max(_CHUNK, len(self._text) - self._at))
        self._text = self._text[self._at :] + self._decode(data, not data)
        self._at = 0
        return bool(data)
