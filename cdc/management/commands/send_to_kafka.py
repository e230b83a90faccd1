"""`manage.py send_to_kafka`."""

from typing import Any

from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS

from cdc.operator_log import log_command
from cdc.resync.selection import selections
from cdc.resync.snapshot_run import SnapshotRun
from cdc.runtime.command import FeedCommand
from cdc.runtime.stop import Stop


class Command(FeedCommand):
    help = (
        "Send the current state of every row to Kafka, through the outbox, without blocking "
        "writes. Then send a delete for each document whose row does not exist. An interrupted run "
        "resumes when it is started with the same arguments. Exit code 1: the run was interrupted, "
        "or a row was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--model", metavar="APP.MODEL", help="Send only the rows of this captured model."
        )
        parser.add_argument(
            "--where",
            metavar="FIELD=VALUE",
            nargs="+",
            action="extend",
            default=[],
            help="Send only the rows whose FIELD has this VALUE, and no deletes. An empty VALUE "
            "also selects null.",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Send nothing; count the documents that would change in each collection.",
        )
        parser.add_argument(
            "--rate", type=float, default=0, metavar="N", help="Send at most N rows per second."
        )
        parser.add_argument(
            "--restart",
            action="store_true",
            help="Start from the beginning instead of resuming an interrupted run.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rate"] < 0:
            self.misuse(
                f"--rate is {options['rate']:g}: use a number of rows per second, or 0 for no "
                "limit."
            )
        with Stop() as stop:
            run = SnapshotRun(self.stderr.write, lambda: stop.requested, using=DEFAULT_DB_ALIAS)
            selected = selections(options["model"], options["where"])
            if options["dry_run"]:
                lines = run.count(selected)
            else:
                target = ", ".join(str(each) for each in selected)
                log_command("send_to_kafka", target, using=DEFAULT_DB_ALIAS)
                lines = run.send(selected, rate=options["rate"], restart=options["restart"])
        for line in lines:
            self.stdout.write(line)
        if run.incomplete:
            self.fail(run.incomplete)
