"""`manage.py cdc_status`."""

import json
from typing import Any

from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS
from rich.console import Console

from cdc.conf import cdc_settings
from cdc.daemons.startup import LONG_QUERY_SECONDS, set_query_timeouts
from cdc.registry import registry
from cdc.runtime.command import FeedCommand
from cdc.runtime.stop import Stop
from cdc.status.console import status_table
from cdc.status.reader import StatusReader
from cdc.status.watch import watch


class Command(FeedCommand):
    help = (
        "Show the outbox, the lag of each partition, the number of rows and documents, and the "
        "verdict on the pipeline. Exit code 1: the pipeline is not healthy."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json",
            action="store_true",
            help="Print one JSON object, or one per second with --watch.",
        )
        parser.add_argument(
            "--watch", action="store_true", help="Refresh the status every second until Ctrl-C."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        set_query_timeouts(DEFAULT_DB_ALIAS, LONG_QUERY_SECONDS)
        reader = StatusReader(cdc_settings(), registry)
        if options["watch"]:
            with Stop() as stop:
                watch(reader.read, lambda: stop.requested, as_json=options["json"])
            return
        status = reader.read()
        if options["json"]:
            self.stdout.write(json.dumps(status.as_json()))
        else:
            Console(highlight=False, soft_wrap=True).print(status_table(status))
        if not status.healthy:
            self.fail(status.verdict)
