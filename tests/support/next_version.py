"""A copy of the code with one more column of stories, `language`."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.support.commands import Done
from tests.support.paths import ROOT

NEWEST = max(path.stem for path in (ROOT / "stories" / "migrations").glob("0*.py"))
"""The newest migration of stories without the column."""
_CODE = ("project", "users", "stories", "cdc", "templates", "tests", "docs/schema")
_BEFORE = "    source_id = models.CharField("
_COLUMN = """\
    language = models.CharField(max_length=8, default="en", db_default="en")
"""


def write_next_version(root: Path, run: Callable[..., Done]) -> None:
    """Copy the code to `root` and add the column, a migration and the schema of the events.

    `run(*arguments)` runs a command of `manage.py` with the code in `root`.
    """
    for name in _CODE:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", root)
    models = root / "stories" / "models.py"
    text = models.read_text()
    assert _BEFORE in text
    models.write_text(text.replace(_BEFORE, _COLUMN + _BEFORE))
    run("makemigrations", "stories", "--name", "language")
    run("event_schema", "--write")
