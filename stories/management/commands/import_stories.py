"""`manage.py import_stories FILE …`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from cdc.commands import FAILED, FeedCommand, progress
from stories.ingest import Ingest


class Command(FeedCommand):
    help = (
        "Import stories of the Digg data set: NDJSON or a JSON array, plain or MongoDB Extended "
        "JSON. A story whose id is stored is updated; the later row wins. Exit code 1 when a row "
        "or a file was bad; the good rows are imported all the same."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", metavar="FILE", nargs="+")

    def handle(self, *args: Any, files: list[str], **options: Any) -> None:
        total = sum(Path(name).stat().st_size for name in files if Path(name).is_file())
        with progress("Importing", total or None, self.stderr.write) as (say, advance):
            ingest = Ingest(say, advance)
            for name in files:
                ingest.run(name)
        self.stdout.write(ingest.summary)
        if ingest.counts["bad"] or not ingest.complete:
            raise SystemExit(FAILED)
