"""`manage.py doctor`."""

import logging
import sys
from typing import Any

from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS

from cdc.conf import cdc_settings
from cdc.doctor.report import as_json, examine, exit_code, lines
from cdc.runtime.command import FeedCommand


class Command(FeedCommand):
    help = (
        "Examine the settings, the database, Kafka and MongoDB, and print one line for each "
        "result: ok, warning or wrong, with the remedy. Exit code 1: there are warnings. Exit "
        "code 2: something is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.disable(logging.WARNING)  # the clients would log problems that the results contain
        checks = examine(cdc_settings(), DEFAULT_DB_ALIAS)
        text = as_json(checks) if options["json"] else "\n".join(lines(checks))
        self.stdout.write(text)
        if code := exit_code(checks):
            sys.exit(code)
