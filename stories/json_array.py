"""The items of a JSON array of any length, in bounded memory, past items that are broken."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader

from stories.errors import BadRow
from stories.records import DECODER, LONGEST, TOO_LONG, Record, parsed

_CHUNK = 1 << 16
_SEPARATORS = re.compile(r"[\s,\[\]]*")
_SIGNS = re.compile(r'\\.|["{}\[\],]', re.DOTALL)
_NEXT_ROW = re.compile(r'\n\s?\{\s?"')
"""A line that begins like a row: where reading goes on after a broken one."""


def read_array(file: BufferedReader) -> Iterator[Record]:
    """Yield a record for each item, and one more when the array has no end."""
    return _ArrayReader(file).records()


@dataclass(slots=True)
class _Nesting:
    """Where a scan stands: open braces and brackets, and whether inside a text."""

    depth: int = 0
    quoted: bool = False

    def end_of_item(self, text: str, at: int) -> int | None:
        """Return where the item that is being scanned ends; None when it goes on after `text`."""
        for sign in _SIGNS.finditer(text, at):
            mark = sign.group()
            if self.quoted or mark == '"':
                self.quoted = self.quoted != (mark == '"')
            elif self.depth == 0 and mark in ",]":
                return sign.start()
            elif mark in "{[":
                self.depth += 1
            elif mark in "}]":
                self.depth -= 1
                if self.depth <= 0:
                    return sign.end()
        return None


class _ArrayReader:
    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        # A byte that is not UTF-8 must spoil its item only.
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._text, self._at = "", 0
        self._number = 0
        self._closed = False

    def records(self) -> Iterator[Record]:
        while self._find_item():
            self._number += 1
            self._closed = False
            yield self._item()
        if not self._closed:
            problem = "is missing, the array has no closing ']': see whether the file was cut short"
            yield Record(where=f"item {self._number + 1}", size=0, problem=problem)

    def _find_item(self) -> bool:
        """Move to the next item; False at the end of the file."""
        while True:
            if between := _SEPARATORS.match(self._text, self._at):
                self._closed = self._closed or "]" in between.group()
                self._at = between.end()
            if self._at < len(self._text):
                return True
            if not self._read_on():
                return False

    def _item(self) -> Record:
        while True:
            start = self._at
            try:
                value, end = DECODER.raw_decode(self._text, start)
                self._text[start:end].encode()
            except (ValueError, RecursionError, BadRow):
                if len(self._text) - start <= LONGEST and self._read_on():
                    continue
                return self._broken_item()
            self._at = end
            problem = TOO_LONG if end - start > LONGEST else ""
            return Record(
                where=f"item {self._number}", size=end - start, value=value, problem=problem
            )

    def _broken_item(self) -> Record:
        where, start, nesting = f"item {self._number}", self._at, _Nesting()
        end = nesting.end_of_item(self._text, start)
        if next_row := _NEXT_ROW.search(self._text, start + 1, end or len(self._text)):
            end = next_row.start()
        if end is None and len(self._text) - start > LONGEST:
            self._skip(nesting)
            return Record(where=where, size=LONGEST, problem=TOO_LONG)
        self._at = len(self._text) if end is None else end
        return parsed(where, self._text[start : self._at].encode(errors="surrogateescape"))

    def _skip(self, nesting: _Nesting) -> None:
        """Move to the end of an item that is longer than what is held of it."""
        end: int | None = None
        while end is None:
            # A backslash at the end belongs to the sign after it.
            self._at = len(self._text) - self._text.endswith("\\")
            if not self._read_on():
                break
            end = nesting.end_of_item(self._text, 0)
        self._at = len(self._text) if end is None else end

    def _read_on(self) -> bool:
        """Hold more of the file, forgetting what is done with; False at its end."""
        data = self._file.read(max(_CHUNK, len(self._text) - self._at))
        self._text = self._text[self._at :] + self._decode(data, not data)
        self._at = 0
        return bool(data)
