"""Static files are collected only if a source file has changed."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from project.http.static_files import collect_static_files


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.css").write_text("a {}")
    with override_settings(
        STATIC_ROOT=tmp_path / "root",
        STATICFILES_DIRS=[folder],
        STATICFILES_FINDERS=["django.contrib.staticfiles.finders.FileSystemFinder"],
        STORAGES={
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "staticfiles": {"BACKEND": "project.http.static_files.StaticFiles"},
        },
    ):
        yield folder


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def test_unchanged_sources_are_not_collected_again(source: Path, tmp_path: Path) -> None:
    assert collect_static_files()
    assert {"a.css", "staticfiles.json"} < names(tmp_path / "root")
    assert not collect_static_files()


def test_changed_file_is_collected_again(source: Path) -> None:
    collect_static_files()
    (source / "a.css").write_text("b {}")
    os.utime(source / "a.css", (1, 1))
    assert collect_static_files()


def test_removed_file_is_deleted(source: Path, tmp_path: Path) -> None:
    (source / "b.css").write_text("b {}")
    collect_static_files()
    (source / "b.css").unlink()
    assert collect_static_files()
    assert "b.css" not in names(tmp_path / "root")


def test_interrupted_run_does_not_count(source: Path, tmp_path: Path) -> None:
    collect_static_files()
    (source / "b.css").write_text("b { background: url(missing.png) }")
    with pytest.raises(ValueError, match=r"missing\.png"):
        collect_static_files()
    (source / "b.css").unlink()
    assert collect_static_files()


def test_modules_of_the_feed_import_each_other_by_hashed_names(
    source: Path, tmp_path: Path
) -> None:
    folder = source / "cdc" / "feed"
    folder.mkdir(parents=True)
    (folder / "page.js").write_text("export const a = 1;\n")
    (folder / "main.js").write_text('import { a } from "./page.js";\n')
    (source / "other.js").write_text('// import { a } from "./missing.js";\n')
    collect_static_files()
    (hashed,) = (tmp_path / "root" / "cdc" / "feed").glob("main.*.js")
    assert re.fullmatch(r'import { a } from "\./page\.[0-9a-f]{12}\.js";\n', hashed.read_text())
