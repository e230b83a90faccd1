"""`manage.py event_schema`."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from cdc.conf import cdc_settings
from cdc.registry import Capture, registry
from cdc.runtime.command import FeedCommand
from cdc.schema_check import current_schema, file_name


class Command(FeedCommand):
    help = (
        "Print the JSON Schema of the messages of each captured table, or write it to the folder "
        "`schema_dir` of the settings. `manage.py check` compares the tables with these files. "
        "Commit a new file only when every reader can read the new events."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--write",
            action="store_true",
            help="Write the files that are missing or out of date to `schema_dir`.",
        )
        parser.add_argument(
            "--table", help="Use only the table TABLE (default: all captured tables)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        captures = self._captures(options["table"])
        if options["write"]:
            self._write(captures)
            return
        for capture in captures:
            self.stdout.write(_text(capture), ending="")

    def _captures(self, table: str | None) -> list[Capture]:
        captures = [capture for capture in registry if table in {None, capture.table}]
        if table is not None and not captures:
            known = ", ".join(sorted(capture.table for capture in registry))
            self.misuse(f"No captured model has the table {table!r}: use one of {known}.")
        return captures

    def _write(self, captures: list[Capture]) -> None:
        if not (folder := cdc_settings().schema_dir):
            self.misuse("CDC has no schema_dir: set it to the folder of the committed schemas.")
        if len(set(map(file_name, registry))) < len(list(registry)):
            self.misuse("Two captured models have the same schema_name: run `manage.py check`.")
        for capture in captures:
            path = Path(folder) / file_name(capture)
            try:
                written = _update(path, _text(capture))
            except OSError as error:
                self.fail(
                    f"{path} cannot be written ({error.strerror}): check that {folder} is a "
                    "folder that you may write to."
                )
            self.stdout.write(f"{path}: {'written' if written else 'up to date'}.")


def _text(capture: Capture) -> str:
    return json.dumps(current_schema(capture), indent=2, ensure_ascii=False) + "\n"


def _update(path: Path, text: str) -> bool:
    """Write `text` to a file unless the file contains it; return whether the file was written."""
    content = text.encode()
    if path.exists() and path.read_bytes() == content:
        return False
    path.write_bytes(content)
    return True
