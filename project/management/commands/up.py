"""`manage.py up`: run the embedded profile."""

import errno
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
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Command(FeedCommand):
    help = (
        "Run Kafka, mongod, the relay, the consumer, the jobs and the web server until Ctrl-C. "
        "If KAFKA_BOOTSTRAP_SERVERS or MONGODB_URI is set, the server at that address is used "
        "instead of the embedded server."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--host",
            default="127.0.0.1",
            help="The address on which the web server listens (default: %(default)s).",
        )
        parser.add_argument(
            "--port",
            type=int,
            help="The port of the web server (default: 8000, or the next free port).",
        )
        parser.add_argument(
            "--traffic",
            type=float,
            metavar="RATE",
            help="Make RATE changes per second to demo stories. --no-demo disables this option.",
        )
        parser.add_argument(
            "--no-demo", action="store_false", dest="demo", help="Do not load the demo data."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        logging.disable(logging.WARNING)  # the console shows only what `up` prints, and errors
        up_options = UpOptions(
            **{name: options[name] for name in ("host", "port", "traffic", "demo")}
        )
        home = HomeFolder(settings.ENVIRONMENT.home)
        try:
            with home.locked(), Stop(grace=_DRAIN_SECONDS) as stop:
                Embedded(home, up_options, stop, Console()).run()
        except StackError as error:
            raise CommandError(str(error), returncode=FAILED) from error
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise CommandError(
                f"{home.path} cannot be written ({error.strerror}): free some space on its disk, "
                "and start again.",
                returncode=FAILED,
            ) from error
