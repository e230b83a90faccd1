"""`manage.py run_jobs`."""

from typing import Any

from cdc.daemons.jobs import run_jobs
from cdc.runtime.command import FeedCommand


class Command(FeedCommand):
    help = (
        "Do the long work that pages ask for, one job after the other, until SIGTERM. A job that "
        "was cut off goes on where it was. Any number may run: each job is done by one of them."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        run_jobs()
