"""`manage.py consume_and_save_to_mongodb`."""

from typing import Any

from django.core.management.base import CommandParser

from cdc.conf import cdc_settings
from cdc.consumer.instance import instance_name
from cdc.daemons.consumer import run_consumer
from cdc.runtime.command import DaemonCommand


class Command(DaemonCommand):
    help = (
        "Apply the messages of the Kafka topics to MongoDB until SIGTERM. Several processes can "
        "share the work, up to one for each partition."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--instance",
            help="The name of the process in its consumer group. Use the same name after a "
            "restart, so that the process gets its partitions back at once (default: the host "
            "name, a digest of the home folder, and the lowest number that no other consumer with "
            "this home folder uses).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        settings = cdc_settings()
        with instance_name(settings, options["instance"] or "") as name:
            run_consumer(settings, name)
