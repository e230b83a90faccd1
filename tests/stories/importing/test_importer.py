"""Importing files with valid and invalid rows."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError

from cdc.models import OutboxRecord
from stories.importing import importer as module
from stories.importing.importer import Importer, Interrupted
from stories.models import Story
from tests.stories.importing.digg_rows import digg_like, row, write_lines

pytestmark = pytest.mark.django_db(transaction=True)


class RecordingClock:
    """A clock that always shows 0 and records how long it should sleep."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []

    def time(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)


class Reports(list[str]):
    """A list of the problems that `run` reports."""

    def run(self, *paths: str) -> Importer:
        importer = Importer(self.append, clock=RecordingClock())
        for path in paths:
            importer.run(path)
        return importer


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.mark.slow
def test_data_set_imports_its_distinct_stories(tmp_path: Path, reports: Reports) -> None:
    rows = digg_like()
    importer = reports.run(write_lines(tmp_path / "s.ndjson", *rows))
    assert reports == []
    assert importer.counts["created"] == 505 == Story.objects.count()
    assert importer.counts["updated"] + importer.counts["unchanged"] == 295
    assert importer.summary.startswith("800 read, 505 created, ")
    assert importer.summary.endswith(", 0 bad")


def test_array_imports_like_lines(tmp_path: Path, reports: Reports) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(digg_like(80, 50), indent=2))
    assert reports.run(str(path)).counts["created"] == 50
    assert reports == []


def test_every_column_is_filled(tmp_path: Path, reports: Reports) -> None:
    reports.run(write_lines(tmp_path / "s", row(17)))
    story = Story.objects.get(source_id="17")
    assert story.title == "Story 17 — “quoted”"
    assert (story.comments, story.diggs, story.status, story.media) == (3, 40, "popular", "news")
    assert story.submit_date == datetime(2010, 3, 16, 20, 36, 41, tzinfo=UTC)
    assert story.promote_date == datetime(2010, 3, 18, 12, 39, 24, tzinfo=UTC)
    assert story.user == {"name": "ann", "registered": 1141570067}
    assert story.shorturl == [{"short_url": "http://s.example/x", "view_count": 5}]
    assert story.thumbnail == {"src": "http://t.example/t.jpg", "width": 80}
    assert story.submitted_by is None


def test_text_and_number_are_one_id_and_the_later_row_wins(
    tmp_path: Path, reports: Reports
) -> None:
    forms: list[Any] = ["7", 7, {"$numberInt": "7"}, {"$numberLong": "7"}, {"$numberDouble": "7.0"}]
    rows = [row(7, id=form, diggs=place) for place, form in enumerate(forms)]
    importer = reports.run(write_lines(tmp_path / "s", *rows))
    assert importer.summary == "5 read, 1 created, 4 updated, 0 unchanged, 0 bad"
    assert Story.objects.get().diggs == 4


def test_unchanged_row_emits_no_event(tmp_path: Path, reports: Reports) -> None:
    path = write_lines(tmp_path / "s", *digg_like(20, 20))
    reports.run(path)
    OutboxRecord.objects.all().delete()
    assert reports.run(path).summary == "20 read, 0 created, 0 updated, 20 unchanged, 0 bad"
    assert not OutboxRecord.objects.exists()


def test_each_write_emits_an_event(tmp_path: Path, reports: Reports) -> None:
    reports.run(write_lines(tmp_path / "s", row(1), row(2), row(1, diggs=99)))
    assert [record.op for record in OutboxRecord.objects.order_by("id")] == ["c", "c", "u"]


def test_columns_of_all_kinds_are_updated(tmp_path: Path, reports: Reports) -> None:
    changes: list[dict[str, Any]] = [
        {"diggs": 41},
        {"title": "New", "promote_date": None, "status": "upcoming"},
        {"thumbnail": None, "comments": 9},
        {"shorturl": []},
        {"user": {"name": "ann", "registered": True}},
    ]
    numbers = range(1, len(changes) + 1)
    reports.run(write_lines(tmp_path / "s", *(row(n, user={"registered": 1}) for n in numbers)))
    newer = [row(n, **change) for n, change in zip(numbers, changes, strict=True)]
    importer = reports.run(path := write_lines(tmp_path / "s", *newer))
    assert (reports, importer.counts["updated"]) == ([], len(changes))
    assert reports.run(path).counts["unchanged"] == len(changes)
    assert Story.objects.filter(thumbnail__isnull=True).get().source_id == "3"
    assert Story.objects.filter(promote_date__isnull=True).get().title == "New"
    assert Story.objects.get(source_id="5").user["registered"] is True


def test_repeated_import_keeps_the_primary_key(tmp_path: Path, reports: Reports) -> None:
    reports.run(write_lines(tmp_path / "s", row(1)))
    before = Story.objects.get()
    reports.run(write_lines(tmp_path / "s", row(1, diggs=99)))
    assert (Story.objects.get().pk, Story.objects.get().diggs) == (before.pk, 99)


BAD_LINES: dict[str, tuple[Any, str]] = {
    "half a line": (b'{"id": 5, "title": "Ha', "is not JSON"),
    "not UTF-8": (b'{"id": 5, "title": "\xff"}', "is not UTF-8 (byte 21)"),
    "NaN": (b'{"id": NaN}', "NaN is not a JSON number"),
    "very many digits": (b'{"id": ' + b"9" * 5000 + b"}", "is not JSON"),
    "very deep": (b"[" * 100_000, "is nested too deeply"),
    "a number": (3, "is 3, not a story"),
    "10 MB": (b'{"id": "' + b"x" * 10_000_000 + b'"}', "is longer than 5 MB"),
    "no id": (row(5, id=...), "id is missing"),
    "an empty id": (row(5, id="  "), "id is '  '"),
    "an id that is true": (row(5, id=True), "id is True"),
    "no title": (row(5, title=...), "title is missing"),
    "a null title": (row(5, title=None), "title is missing"),
    "an empty title": (row(5, title=""), "title is '': This field cannot be blank"),
    "a title that is a number": (row(5, title=8), "title is 8: it must be a string"),
    "a long title": (row(5, title="x" * 300), "at most 255 characters (it has 300)"),
    "a long id": (row(5, id="1" * 33), "at most 32 characters"),
    "NUL": (row(5, title="a\0b"), "title is 'a\\x00b': Remove the NUL character"),
    "a lone surrogate": (row(5, description="a\ud800"), "Remove the invalid character"),
    "a surrogate in JSON": (row(5, user={"name": "\ud800"}), "user is {'name': '\\ud800'}"),
    "a file address": (row(5, href="ftp://x.example/"), "http:// or https://"),
    "a script": (row(5, link="javascript:alert(1)"), "link is 'javascript:alert(1)'"),
    "negative diggs": (row(5, diggs=-1), "diggs is -1"),
    "too many diggs": (row(5, diggs=2**32), "less than or equal to 4294967295"),
    "half a comment": (row(5, comments=1.5), "comments is 1.5: it must be a whole number"),
    "a broken wrapper": (row(5, diggs={"$numberInt": "many"}), "diggs is {'$numberInt'"),
    "beyond 64 bits": (row(5, user={"n": 2**64}), "64 bits"),
    "a word for a date": (row(5, submit_date="soon"), "submit_date is 'soon'"),
    "milliseconds": (row(5, submit_date=1268771801000), "write seconds since 1970"),
    "an endless date": (row(5, submit_date={"$numberDouble": "NaN"}), "submit_date is nan"),
    "an unknown status": (row(5, status="lost"), "'lost' is not a valid choice"),
    "a list for a topic": (row(5, topic=[]), "topic is []: Enter a JSON object"),
    "a long description": (row(5, description="x" * 1_000_000), "MAX_EVENT_BYTES"),
}


@pytest.mark.parametrize(("line", "sentence"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_bad_line_is_reported_and_good_ones_are_imported(
    line: Any, sentence: str, tmp_path: Path, reports: Reports
) -> None:
    importer = reports.run(write_lines(tmp_path / "s.ndjson", row(1), b"", line, row(3)))
    assert importer.summary == "3 read, 2 created, 0 updated, 0 unchanged, 1 bad"
    assert len(reports) == 1
    assert reports[0].startswith("s.ndjson, line 3: ")
    assert sentence in reports[0]
    assert len(reports[0]) < 250
    assert reports[0].isprintable()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (str, "cannot be read (No such file or directory)"),
        (Path.mkdir, "cannot be read (Is a directory)"),
        (Path.touch, "is empty"),
    ],
)
def test_unreadable_file_is_reported(
    make: Callable[[Path], object], sentence: str, tmp_path: Path, reports: Reports
) -> None:
    make(tmp_path / "s")
    good = write_lines(tmp_path / "good", row(1))
    importer = reports.run(str(tmp_path / "s"), good)
    assert not importer.complete
    assert importer.counts["created"] == 1
    assert [sentence in text for text in reports] == [True]


def test_deadlock_is_retried(
    tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = module._upsert, iter([OperationalError("deadlock"), OperationalError("again")])

    def failing(*args: Any) -> Any:
        result = real(*args)
        if error := next(failures, None):
            Story.objects.all().delete()
            raise error
        return result

    monkeypatch.setattr(module, "_upsert", failing)
    assert reports.run(write_lines(tmp_path / "s", row(1))).counts["created"] == 1
    assert Story.objects.get().source_id == "1"


def test_row_inserted_meanwhile_by_another_import_is_updated(
    tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, conflicts = module._upsert, iter([IntegrityError("duplicate")])

    def conflicting(stories: Any, using: str) -> Any:
        if error := next(conflicts, None):
            real([stories[0]], using)
            raise error
        return real(stories, using)

    monkeypatch.setattr(module, "_upsert", conflicting)
    importer = reports.run(write_lines(tmp_path / "s", row(1), row(2)))
    assert importer.summary == "2 read, 1 created, 0 updated, 1 unchanged, 0 bad"


def test_lasting_outage_reports_the_progress(
    tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = module._upsert, iter([True])

    def away(*args: Any) -> Any:
        if next(calls, False):
            return real(*args)
        raise OperationalError("gone away")

    monkeypatch.setattr(module, "_upsert", away)
    path = write_lines(tmp_path / "s.ndjson", *digg_like(80, 80))
    progress = r"s.ndjson, line 51: gone away\. Until then: 50 read, 50 created"
    with pytest.raises(Interrupted, match=progress):
        reports.run(path)


def test_an_import_waits_only_between_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("gone away")

    monkeypatch.setattr(module, "_upsert", away)
    clock = RecordingClock()
    with pytest.raises(Interrupted):
        Importer(print, clock=clock).run(write_lines(tmp_path / "s", row(1)))
    assert len(clock.sleeps) == module.ATTEMPTS - 1
    assert clock.sleeps[0] <= 0.05
