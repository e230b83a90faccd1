"""Compares each captured table with the committed JSON Schema of its messages."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 -- Django's name

from cdc.conf import cdc_settings
from cdc.registry import Capture, registry
from cdc.wire.compatibility import Kind, added, breaks
from cdc.wire.schema import event_schema

_SUFFIX = "-event.schema.json"
_WRITE = "write the new schema with `manage.py event_schema --write` and commit it."
_INVALID = f"Restore the file from version control, or {_WRITE}"
_IDS = {
    Kind.REMOVED: "cdc.E017",
    Kind.TYPE: "cdc.E018",
    Kind.NULL: "cdc.E019",
    Kind.KEY: "cdc.E020",
    Kind.TABLE: "cdc.E021",
    Kind.ENVELOPE: "cdc.E022",
    Kind.INVALID: "cdc.E023",
}
_HINTS = {
    Kind.REMOVED: f"""\
Keep the column, with its old name as db_column, until no reader needs it. Then {_WRITE}""",
    Kind.TYPE: f"""\
Keep the column and add another column with the new type. When no reader needs the old type, \
{_WRITE}""",
    Kind.NULL: f"""\
Keep the column NOT NULL until every reader accepts null. Then {_WRITE}""",
    Kind.KEY: f"""\
Keep the key, because readers identify a row by it, or capture a new model with its own topic. If \
no reader is left, {_WRITE}""",
    Kind.TABLE: f"""\
Set db_table to the old name until every reader knows the new name. Then {_WRITE}""",
    Kind.ENVELOPE: f"""\
Another version of `cdc` or another `connector` wrote the file, or the file was edited. Check that \
every reader accepts the events of this version, for example an update whose `before` has only the \
key. Then {_WRITE}""",
    Kind.INVALID: _INVALID,
}


def file_name(capture: Capture) -> str:
    """Return the name of the file with the JSON Schema of a captured table's messages."""
    return f"{capture.schema_name}{_SUFFIX}"


def current_schema(capture: Capture) -> dict[str, Any]:
    """Return the JSON Schema of the messages that this process publishes."""
    return event_schema(capture, cdc_settings().connector)


@register()
def check_schemas(**_: Any) -> list[CheckMessage]:
    """Return an error or a warning for each schema file that does not fit its captured table."""
    folder = cdc_settings().schema_dir
    if not folder:
        return []
    captures = list(registry)
    shared = [*_shared(captures)]
    return shared or [
        *(message for capture in captures for message in _check(capture, Path(folder))),
        *_left_over(captures, Path(folder)),
    ]


def _shared(captures: Iterable[Capture]) -> Iterator[CheckMessage]:
    captures = list(captures)
    times = Counter(map(file_name, captures))
    for capture in captures:
        if times[file_name(capture)] > 1:
            yield Error(
                f"{capture.model._meta.label} has the schema file {file_name(capture)}, which "
                "another captured model also has.",
                hint="Give one model its own Capture(schema_name=...).",
                obj=capture.model,
                id="cdc.E024",
            )


def _check(capture: Capture, folder: Path) -> Iterator[CheckMessage]:
    path = folder / file_name(capture)
    try:
        committed = json.loads(path.read_bytes())
    except FileNotFoundError:
        yield Warning(
            f"{path} is missing, so incompatible changes to the schema of {capture.table} are not "
            "detected.",
            hint="Write it with `manage.py event_schema --write` and commit it.",
            obj=capture.model,
            id="cdc.W011",
        )
    except (OSError, ValueError, RecursionError) as error:
        yield Error(
            f"{path} cannot be read as JSON ({type(error).__name__}: {error}).",
            hint=_INVALID,
            obj=capture.model,
            id="cdc.E023",
        )
    else:
        yield from _compare(capture, path, committed)


def _compare(capture: Capture, path: Path, committed: Any) -> Iterator[CheckMessage]:
    current = current_schema(capture)
    found = breaks(committed, current)
    for each in found:
        text = f"{capture.table} {each.text}: readers of {path} cannot read its new events."
        if each.kind is Kind.INVALID:
            text = f"{path} {each.text}."
        yield Error(text, hint=_HINTS[each.kind], obj=capture.model, id=_IDS[each.kind])
    if not found and committed != current:
        news = ", ".join(map(repr, added(committed, current)))
        yield Warning(
            f"{path} is out of date" + (f": it does not contain {news}." if news else "."),
            hint=f"Programs that validate events with this file may refuse new events: {_WRITE}",
            obj=capture.model,
            id="cdc.W012",
        )


def _left_over(captures: Iterable[Capture], folder: Path) -> Iterator[CheckMessage]:
    """Yield an error for each schema file that belongs to no captured model."""
    known = set(map(file_name, captures))
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        if path.name not in known:
            yield Error(
                f"{path} belongs to no captured model: readers that use this schema receive no "
                "new events.",
                hint="If the model was renamed, set Capture(schema_name="
                f"{path.name.removesuffix(_SUFFIX)!r}). If it is no longer captured and no reader "
                "is left, delete the file.",
                id="cdc.E025",
            )
