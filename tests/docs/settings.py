"""The section "Settings" of docs/reference.md, generated from the code of the settings."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from cdc import conf
from project.config import environment
from project.config.environment import BASE_DIR, load_environment
from tests.docs.markdown import table

_NOTE = """\
Settings are environment variables. Each process reads them once, when it starts. If a value is
invalid, the process prints an error message of one sentence and exits with code 2. To read the
value of a variable `NAME` from a file, set `NAME_FILE` to the path of the file. `up` chooses some
values and writes them to the file `$STORYFEED_HOME/env`, which every command reads. If a variable
is also set in the environment, the value in the environment is used. The export of traces has
[settings of its own](operating.md#traces).
"""
_CLASSES = (environment.Environment, conf.CdcSettings)


def settings() -> str:
    """Return the section about settings as Markdown."""
    home = ("`STORYFEED_HOME`", "`var` in the project", _meanings()["home"])
    rows = [home, *_rows()]
    return f"## Settings\n\n{_NOTE}\n{table(('variable', 'default', 'meaning'), rows)}\n"


def _rows() -> Iterator[tuple[str, str, str]]:
    defaults, meanings = _defaults(), _meanings()
    for field, variable in _variables():
        if field not in meanings:
            raise LookupError(f"{variable} sets {field}, which has no docstring.")
        yield f"`{variable}`", _shown(defaults[field]), meanings[field]


def _variables() -> Iterator[tuple[str, str]]:
    """Yield each field of the settings with the name of its environment variable."""
    tree = ast.parse(inspect.getsource(environment))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in {each.__name__ for each in _CLASSES}:
            for keyword in call.keywords:
                if name := _variable_in(keyword.value):
                    yield keyword.arg or "", name


def _variable_in(value: ast.expr) -> str:
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, arguments = node.func.value, node.args
            if isinstance(owner, ast.Name) and owner.id == "variables":
                assert isinstance(arguments[0], ast.Constant)
                return str(arguments[0].value)
    return ""


def _defaults() -> dict[str, Any]:
    empty = load_environment({"STORYFEED_HOME": str(BASE_DIR / "no such home")})
    fields = (*environment.Environment.__slots__, *conf.CdcSettings.__slots__)
    return {name: getattr(empty, name, getattr(empty.cdc, name, None)) for name in fields}


def _meanings() -> Mapping[str, str]:
    """Return the docstring of each field, by name."""
    found: dict[str, str] = {}
    for module, owner in ((conf, _CLASSES[1]), (environment, _CLASSES[0])):
        tree = ast.parse(inspect.getsource(module))
        body = next(
            node.body
            for node in tree.body
            if isinstance(node, ast.ClassDef) and node.name == owner.__name__
        )
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                assert isinstance(field.target, ast.Name)
                found[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, Mapping) or value in ("", None):
        return "empty"
    home = f"sqlite:///{quote(str(BASE_DIR / 'no such home'))}"
    return f"`{str(value).replace(home, 'sqlite:///$STORYFEED_HOME')}`"
