"""Words that make a sentence hard to understand are not used in text for people."""

import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# Maps each pattern to the words to use instead.
TICS = {
    r"\b(tell|tells|telling|told)\b": "say, show, report, return",
    r"\banew\b": "again",
    r"\b(mend|mends|mended|mending)\b": "fix, repair",
    r"\bwhoever\b": "anyone who, the process that",
    r"\bbe it\b": "whether",
    r"\bput out\b": "evicted, fenced",
    r"\bgoes on\b": "continues",
    r"\bthere is none\b": "it does not exist",
    r"\bnobody\b(?![@\"])": "no process, no one",
    r"\bhas not answered for\b": "unreachable for",
    r"\bdid not do its part\b": "is not responding",
    r"\bfor ever\b": "indefinitely",
    r"\bdoomed\b": "pending delete",
    r"\bafresh\b": "again",
    r"\bstands? for\b": "is, means",
    r"\b(for|to|by|from) who\b": "for anyone who, for callers that",
    r"\bas it is told\b": "as configured",
    r"\bits way to\b": "its replication to",
}
ANY = re.compile("|".join(TICS), re.IGNORECASE)
# Files that must contain these words.
RIGHT = ("tests/architecture/test_vocabulary.py",)
FOLDERS = ("cdc", "project", "stories", "users", "templates", "tests", "docs", "compose")
SUFFIXES = {".py", ".md", ".html", ".txt", ".js"}


def read_by_people(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that people read. In Python, these are comments and strings."""
    text = path.read_text()
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING}:
            for number, line in enumerate(token.string.splitlines()):
                yield token.start[0] + number, line


def files() -> list[Path]:
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in SUFFIXES and "migrations" not in path.parts
    ) + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]


@cache
def everything() -> list[tuple[str, int, str]]:
    """Return the file, the number and the text of every line that people read."""
    return [
        (name, number, line.strip())
        for path in files()
        if (name := str(path.relative_to(ROOT))) not in RIGHT
        and ANY.search(path.read_text())  # Splitting a file into tokens is slow.
        for number, line in read_by_people(path)
    ]


@pytest.mark.parametrize("pattern", TICS)
def test_no_tic_of_speech(pattern: str) -> None:
    word = re.compile(pattern, re.IGNORECASE)
    found = [
        f"{name}:{number}: {line} (write: {TICS[pattern]})"
        for name, number, line in everything()
        if word.search(line)
    ]
    assert found == []


def test_only_comments_and_strings_of_python_are_read(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text('"""One\ntwo."""\nthree = "four"  # five\n')
    lines = [(1, '"""One'), (2, 'two."""'), (3, '"four"'), (3, "# five")]
    assert list(read_by_people(file)) == lines
