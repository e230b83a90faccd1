"""The tests that are left out on a machine without mysqlclient."""

import ast

import pytest

from tests.architecture.source import TREES, imports_of, name_of, reached
from tests.conftest import NEED_MYSQL_CLIENT
from tests.support.paths import ROOT

CLIENT = "MySQLdb"


@pytest.mark.slow  # It parses all files.
def test_modules_that_import_mysqlclient_are_left_out_without_it() -> None:
    """pytest stops if it cannot import a module, even if none of its tests is selected."""
    paths = {name_of(path): path for path in (ROOT / "tests").rglob("*.py")}
    trees = {name: ast.parse(path.read_text()) for name, path in paths.items()}
    imports = imports_of({**TREES, **trees})

    need_client = [
        path.relative_to(ROOT / "tests").as_posix()
        for name, path in paths.items()
        if path.name.startswith(("test_", "conftest.")) and CLIENT in reached(name, imports)
    ]

    assert sorted(need_client) == sorted(NEED_MYSQL_CLIENT)
