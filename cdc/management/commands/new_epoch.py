"""`manage.py new_epoch`."""

from argparse import ArgumentParser
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction

from cdc.operator_log import log_command
from cdc.outbox import table as outbox
from cdc.runtime.command import FeedCommand
from cdc.runtime.loop import SystemClock


class Command(FeedCommand):
    help = (
        "Begin a new epoch after the database was restored from a backup. Without a new epoch, the "
        "replica would ignore new changes as stale. Then run `send_to_kafka`, which also deletes "
        "the documents of rows that are not in the backup."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force",
            action="store_true",
            help="Begin a new epoch even if the outbox has rows of the old epoch.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        waiting = outbox.depth(using=DEFAULT_DB_ALIAS).rows
        if waiting and not options["force"]:
            self.fail(
                f"The outbox has {waiting} rows of the current epoch, which may become stale in a "
                "new epoch: let the relay publish them first, or use --force."
            )
        now_ms = int(SystemClock().time() * 1000)
        with transaction.atomic():
            epoch = outbox.begin_epoch(now_ms, using=DEFAULT_DB_ALIAS)
            log_command("new_epoch", f"epoch {epoch}", using=DEFAULT_DB_ALIAS)
        self.stdout.write(f"The epoch is now {epoch}.")
