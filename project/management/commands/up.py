"""`manage.py up`."""

import logging
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from cdc.commands import FAILED, FeedCommand, Stop
from project.stack.errors import StackError
from project.up.console import Console
from project.up.embedded import Embedded, UpOptions
from project.up.home_folder import HomeFolder

_DRAIN_SECONDS = 90.0


class Command(FeedCommand):
    help = (
        "Run everything on this machine until Ctrl-C: Kafka, mongod, relay, consumer and web. "
        "It starts no Kafka when KAFKA_BOOTSTRAP_SERVERS is set, no mongod when MONGODB_URI is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Where the web listens.")
        parser.add_argument("--port", type=int, help="Default: 8000, or the next free one.")
        parser.add_argument("--traffic", type=float, metavar="RATE", help="Changes a second.")
        parser.add_argument("--no-demo", action="store_false", dest="demo", help="No demo data.")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.disable(logging.WARNING)  # the console is for what `up` itself has to say
        up_options = UpOptions(
            **{name: options[name] for name in ("host", "port", "traffic", "demo")}
        )
        home = HomeFolder(settings.ENVIRONMENT.home)
        try:
            with home.locked(), Stop(grace=_DRAIN_SECONDS) as stop:
                Embedded(home, up_options, stop, Console()).run()
        except StackError as error:
            raise CommandError(str(error), returncode=FAILED) from error
