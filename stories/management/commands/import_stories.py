"""`manage.py import_stories FILE …`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from cdc.commands import FAILED, FeedCommand, progress
from stories.importing.importer import Importer


class Command(FeedCommand):
    help = (
        "Import stories of the Digg data set from files. A file contains NDJSON or a JSON array; "
        "MongoDB Extended JSON is also accepted. If the id of a story is already stored, that "
        "story is updated. If several rows have the same id, they are applied in the order of the "
        "file. Exit code 1: a row or a file was invalid; the valid rows are still imported."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", metavar="FILE", nargs="+", help="The files to import.")

    def handle(self, *args: Any, files: list[str], **options: Any) -> None:
        total = sum(Path(name).stat().st_size for name in files if Path(name).is_file())
        with progress("Importing", total or None, self.stderr.write) as (report, advance):
            importer = Importer(report, advance)
            for name in files:
                importer.run(name)
        self.stdout.write(importer.summary)
        if importer.counts["bad"] or not importer.complete:
            raise SystemExit(FAILED)
