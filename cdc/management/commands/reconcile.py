"""`manage.py reconcile`."""

import json
from typing import Any

from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS

from cdc.operator_log import write_down_command
from cdc.registry import registry
from cdc.resync.reconcile_run import Reconciler
from cdc.runtime.command import FAILED, FeedCommand
from cdc.runtime.loop import Stop


class Command(FeedCommand):
    help = (
        "Compare the content of the database with each replica collection, while writes go on: "
        "lists what is missing, stale and extra. A run that was stopped goes on where it was. "
        "Exit code 1: a difference is left, or the run was stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repair", action="store_true", help="Send what differs again, through the outbox."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument(
            "--restart", action="store_true", help="Begin anew, also when a run was stopped."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with Stop() as stop:
            reconciler = Reconciler(
                self.stderr.write,
                lambda: stop.requested,
                repair=options["repair"],
                using=DEFAULT_DB_ALIAS,
            )
            if options["repair"]:
                tables = ", ".join(capture.table for capture in registry)
                write_down_command("repair", tables, using=DEFAULT_DB_ALIAS)
            result = reconciler.run(restart=options["restart"])
        if result is None:
            self.fail("Stopped: start it again with the same arguments to go on.")
        if options["json"]:
            self.stdout.write(json.dumps(result.as_json()))
        else:
            self.stdout.write("\n".join(result.lines()))
        if not result.equal:
            raise SystemExit(FAILED)
