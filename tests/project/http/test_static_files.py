"""Static files are collected only if a source file has changed. Some are bundled."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import override_settings

from project.http.static_files import SCRIPTS, bundle, collect_static_files


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


def test_another_way_of_bundling_collects_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect_static_files()
    (tmp_path / "module.py").write_text("BUNDLES = ()\n")
    monkeypatch.setattr("project.http.static_files.__file__", str(tmp_path / "module.py"))
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


def collected(root: Path, pattern: str) -> str:
    """Collect the static files and return the content of the one that matches `pattern`."""
    collect_static_files()
    (hashed,) = root.glob(pattern)
    return hashed.read_text()


def test_style_sheet_contains_the_sheets_that_it_imports(source: Path, tmp_path: Path) -> None:
    for folder in ("project", "other"):
        (source / folder).mkdir()
    (source / "project/site.css").write_text('@import "../other/b.css";\n@import "c.css";\nd {}\n')
    (source / "other/b.css").write_text('@import "b2.css";\n')
    (source / "other/b2.css").write_text("b{}legend+*{clear:left}\n/*# sourceMappingURL=b.map */\n")
    (source / "other/b.map").write_bytes(b"")
    (source / "project/c.css").write_text("c { background: url(c.png) }\n")
    (source / "project/c.png").write_bytes(b"")
    content = collected(tmp_path / "root", "project/site.*.css")
    assert re.sub(r"\.[0-9a-f]{12}\.", ".", content).split() == [
        *("b{}", "c", "{", "background:", 'url("c.png")', "}", "d", "{}")
    ]
    assert "b.css" in (source / "project/site.css").read_text()


def test_module_contains_the_modules_that_it_imports_once(source: Path, tmp_path: Path) -> None:
    folder = source / "cdc" / "feed"
    folder.mkdir(parents=True)
    (folder / "page.js").write_text("export const a = 1;\n")
    (folder / "list.js").write_text(
        'import { a } from "./page.js";\nconst b = a;\nexport async function c() {}\n'
        "export function d() {}\n"
    )
    (folder / "main.js").write_text(
        'import { c } from "./list.js";\nimport { a } from "./page.js";\nimport("./d.js");\n'
    )
    assert collected(tmp_path / "root", "cdc/feed/main.*.js") == (
        "const page_js = (() => {\nconst a = 1;\nreturn { a };\n})();\n"
        "const list_js = (() => {\nconst { a } = page_js;\nconst b = a;\n"
        "async function c() {}\nfunction d() {}\nreturn { c, d };\n})();\n"
        "const main_js = (() => {\nconst { c } = list_js;\nconst { a } = page_js;\n"
        'import("./d.js");\nreturn {  };\n})();\n'
    )


def test_style_sheet_contains_its_drawings(source: Path, tmp_path: Path) -> None:
    (source / "admin/css").mkdir(parents=True)
    (source / "admin/img").mkdir()
    (source / "admin/css/forms.css").write_text("@import url('widgets.css');\n")
    (source / "admin/css/widgets.css").write_text(
        "a { background: url(../img/a.svg) 0 0 }\nb { background: url('data:image/png,b') }\n"
    )
    (source / "admin/img/a.svg").write_text('<svg a="(1)"/>')
    assert collected(tmp_path / "root", "admin/css/forms.*.css").split("\n")[:2] == [
        "a { background: url(data:image/svg+xml,%3Csvg%20a%3D%22%281%29%22%2F%3E) 0 0 }",
        "b { background: url('data:image/png,b') }",
    ]


def test_scripts_of_the_admin_are_one_file(source: Path, tmp_path: Path) -> None:
    names = SCRIPTS["project/admin_base.js"]
    for number, name in enumerate(names):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(f"// {number}")
    for last in ("// 4", "// 5"):
        (source / names[-1]).write_text(last)
        call_command("collectstatic", interactive=False, verbosity=0)
        manifest = json.loads((tmp_path / "root" / "staticfiles.json").read_text())["paths"]
        found = (tmp_path / "root" / manifest["project/admin_base.js"]).read_text()
        assert found == f"// 0\n;\n// 1\n;\n// 2\n;\n// 3\n;\n{last}"


@pytest.mark.parametrize(
    "line", ['import a from "./a.js";', 'import * as a from "./a.js";', "export default 1;"]
)
def test_a_module_that_cannot_be_bundled_is_refused(source: Path, line: str) -> None:
    folder = source / "cdc" / "feed"
    folder.mkdir(parents=True)
    (folder / "main.js").write_text(f"{line}\n")
    with pytest.raises(ValueError, match=re.escape(line)):
        collect_static_files()


def test_a_new_row_does_not_change_the_styles_of_its_neighbours() -> None:
    """A rule for any following sibling would apply to all rows of a list of changes."""
    sheets = [bundle("project/site.css", read), read("cdc/feed.css")]
    assert len(sheets[0]) > 200_000
    for sheet in sheets:
        assert re.findall(r"[^,{}]*[+~]\s*\*[^,{}]*", sheet) == []


def read(name: str) -> str:
    return Path(str(finders.find(name))).read_text()
