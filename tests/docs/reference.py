"""docs/reference.md: the pages, commands and settings, generated from the code."""

import argparse
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth.mixins import AccessMixin, UserPassesTestMixin
from django.contrib.auth.views import PasswordChangeView
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.urls import URLPattern, URLResolver, get_resolver

from cdc.feed.views import FeedChange, FeedPage, FeedStream
from project.operations.access import READERS
from tests.docs.markdown import table
from tests.docs.settings import settings
from users.models import UserType

_OWN_APPS = ("cdc", "project", "stories", "users")
_COMMON = {
    "help",
    "version",
    "verbosity",
    "settings",
    "pythonpath",
    "traceback",
    "no_color",
    "force_color",
    "skip_checks",
}
_INTRODUCTION = """# Reference

The command `python -m tests.docs` generates this page from the code. A test fails if the page and
the code differ.
"""
_SUPERUSERS = """\
Superusers may also open the pages of every role.
"""
_ADMIN = (
    "The admin: stories, users, groups, failed logins and the tables of the pipeline, as far as "
    "the user's permissions allow."
)
_SUBMITTER = "the submitter"
_REVIEWERS = "staff who may change stories"
_TESTED = {
    "stories/<int:pk>/approve/": _REVIEWERS,
    "stories/<int:pk>/change/": f"{UserType.TECHNICAL_WORKER.label}, {_SUBMITTER}",
    "stories/<int:pk>/reject/": _REVIEWERS,
    "stories/<int:pk>/way/": ", ".join(role.label for role in READERS),
    "stories/<int:pk>/withdraw/": _SUBMITTER,
    "styleguide/": "staff",
}
"""Who may open the pages that have a test of their own instead of roles."""
_EXIT_CODES = """\
All commands except `doctor` exit with 0 after success, with 1 after a failure or if they found a
problem (for example a difference), and with 2 after wrong usage or because of a wrong setting.
"""


def reference() -> str:
    """Return the whole page as Markdown."""
    parts = [_INTRODUCTION, _pages(), _commands(), settings()]
    return "\n".join(parts)


def _pages() -> str:
    rows = [(f"`/{path}`", _readers(path, view), _sentence(view)) for path, view in _own_pages()]
    rows.append(("`/admin/`", "staff", _ADMIN))
    listed = table(("page", "who may open it", "what it does"), sorted(rows))
    return f"## Pages\n\n{_SUPERUSERS}\n{listed}\n"


def _own_pages() -> Iterator[tuple[str, Any]]:
    for path, pattern in _patterns(get_resolver().url_patterns, ""):
        if not path.startswith("admin/"):
            callback = pattern.callback
            yield path, getattr(callback, "view_class", callback)


def _readers(path: str, view: Any) -> str:
    roles = getattr(view, "roles", [view.role] if hasattr(view, "role") else [])
    if roles:
        return ", ".join(UserType(role).label for role in roles)
    if isinstance(view, type) and issubclass(view, FeedPage | FeedChange | FeedStream):
        return ", ".join(UserType(role).label for role in READERS)
    if isinstance(view, type) and issubclass(view, UserPassesTestMixin):
        return _TESTED[path]
    signed_in = isinstance(view, type) and issubclass(view, AccessMixin | PasswordChangeView)
    return "anyone logged in" if signed_in else "anyone"


def _patterns(
    patterns: Iterable[URLPattern | URLResolver], prefix: str
) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, path)
        else:
            yield path, pattern


def _commands() -> str:
    names = sorted(name for name, app in get_commands().items() if str(app).startswith(_OWN_APPS))
    parts = ["## Commands\n", _EXIT_CODES]
    for name in names:
        command = load_command_class(get_commands()[name], name)
        parts += [f"### `manage.py {name}`\n", f"{command.help}\n", *_arguments(command, name)]
    return "\n".join(parts)


def _arguments(command: BaseCommand, name: str) -> list[str]:
    rows = list(_rows(command.create_parser("manage.py", name), ""))
    return [table(("argument", "meaning"), rows) + "\n"] if rows else []


def _rows(parser: argparse.ArgumentParser, prefix: str) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, sub in action.choices.items():
                yield f"`{name}`", helps.get(name, "")
                yield from _rows(sub, f"{name} ")
        elif action.dest not in _COMMON:
            yield f"`{prefix}{_usage(action)}`", _help(action)


def _usage(action: argparse.Action) -> str:
    name = action.option_strings[-1] if action.option_strings else ""
    shown = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    value = "" if action.nargs == 0 else shown
    return " ".join(filter(None, (name, value)))


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")


def _sentence(view: Any) -> str:
    text = view.__doc__
    if not text:
        raise LookupError(f"{view.__module__}.{view.__qualname__} is a page without a docstring.")
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
