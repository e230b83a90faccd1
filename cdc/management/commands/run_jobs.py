"""`manage.py run_jobs`."""

from typing import Any

from cdc.daemons.jobs import run_jobs
from cdc.runtime.command import DaemonCommand


class Command(DaemonCommand):
    help = (
        "Run the jobs that pages, commands or the relay have requested, one after another, until "
        "SIGTERM. Also save the canary, a test row, every ten seconds. An interrupted job resumes "
        "at its checkpoint. Any number of these processes can run at the same time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        run_jobs()
