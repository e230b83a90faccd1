"""`manage.py consume_and_save_to_mongodb`."""

import os
import socket
from typing import Any

from django.core.management.base import CommandParser

from cdc.command import FeedCommand
from cdc.conf import cdc_settings
from cdc.daemons import run_consumer


class Command(FeedCommand):
    help = (
        "Apply the topic to MongoDB until SIGTERM. As many processes as there are partitions "
        "may share the work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--instance",
            default=f"{socket.gethostname()}-{os.getpid()}",
            help="This process's name in its group: keep it over a restart and its partitions "
            "come back to it at once (default: host and process id).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        run_consumer(cdc_settings(), options["instance"])
