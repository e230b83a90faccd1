"""`manage.py new_epoch`."""

from argparse import ArgumentParser
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction

from cdc.context import acting_as
from cdc.daemons.continuity import ask_for_repair
from cdc.operator_log import system_user
from cdc.outbox import table as outbox
from cdc.runtime.clock import SystemClock
from cdc.runtime.command import FeedCommand


class Command(FeedCommand):
    help = (
        "Begin a new epoch manually, and request a repair, which `run_jobs` executes. After you "
        "restore the database, run this command before you start the daemons. In other cases it is "
        "rarely necessary: the relay begins a new epoch itself if it detects that outbox ids are "
        "reused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force",
            action="store_true",
            help="Begin a new epoch even if the outbox is not empty.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        waiting = outbox.depth(using=DEFAULT_DB_ALIAS).rows
        if waiting and not options["force"]:
            self.fail(
                f"The outbox is not empty (rows: {waiting}): after a restore, use --force. "
                "Otherwise, let the relay publish these rows first."
            )
        now_ms = int(SystemClock().time() * 1000)
        with transaction.atomic(), acting_as(system_user()):
            epoch = outbox.begin_epoch(now_ms, using=DEFAULT_DB_ALIAS)
            job = ask_for_repair(epoch, "")
        self.stdout.write(
            f"The epoch is now {epoch}. Job {job.pk} repairs the replica: `manage.py run_jobs` "
            "executes this job."
        )
