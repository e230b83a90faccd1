"""`manage.py reconcile`."""

import json
from typing import Any

from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS

from cdc.operator_log import log_command
from cdc.registry import registry
from cdc.resync.reconcile_run import Reconciler
from cdc.runtime.command import FAILED, FeedCommand
from cdc.runtime.stop import Stop


class Command(FeedCommand):
    help = (
        "Compare the database with each replica collection, without blocking writes, and list "
        "missing, stale and extra documents. An interrupted run resumes at its checkpoint when it "
        "is started with the same arguments. Exit code 1: differences are left, or the run was "
        "interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="Repair each difference: send the row, or a delete if there is no row, through "
            "the outbox.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument(
            "--restart",
            action="store_true",
            help="Start from the beginning instead of resuming an interrupted run.",
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
                log_command("repair", tables, using=DEFAULT_DB_ALIAS)
            result = reconciler.run(restart=options["restart"])
        if result is None:
            self.fail("Interrupted: run the command again with the same arguments to resume.")
        if options["json"]:
            self.stdout.write(json.dumps(result.as_json()))
        else:
            self.stdout.write("\n".join(result.lines()))
        if not result.equal:
            raise SystemExit(FAILED)
