"""The command `manage.py import_stories`."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from stories.models import Story
from tests.stories.importing.digg_rows import row, write_lines

pytestmark = pytest.mark.django_db(transaction=True)


def test_summary_goes_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("import_stories", write_lines(tmp_path / "s", row(1), row(2)))
    out, err = capsys.readouterr()
    assert (out, err) == ("2 read, 2 created, 0 updated, 0 unchanged, 0 bad\n", "")


def test_bad_row_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        call_command("import_stories", write_lines(tmp_path / "s", row(1), b"{"))
    out, err = capsys.readouterr()
    assert exited.value.code == 1
    assert out == "2 read, 1 created, 0 updated, 0 unchanged, 1 bad\n"
    assert "s, line 2: the row is not JSON" in err
    assert Story.objects.count() == 1


def test_missing_file_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        call_command("import_stories", str(tmp_path / "gone"))
    assert exited.value.code == 1
    assert "No such file" in capsys.readouterr().err


def test_no_file_is_a_usage_error() -> None:
    with pytest.raises(CommandError, match="FILE"):
        call_command("import_stories")
