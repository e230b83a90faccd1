"""`manage.py run_jobs`."""

from typing import Any

from cdc.daemons.jobs import run_jobs
from cdc.runtime.command import FeedCommand


class Command(FeedCommand):
    help = (
        "Run the jobs that were started on the pages, one after the other, until SIGTERM. An "
        "interrupted job resumes at its checkpoint. Any number of these processes may run."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        run_jobs()
