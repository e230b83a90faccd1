"""`manage.py demo_traffic --rate R`."""

from argparse import ArgumentParser
from typing import Any

from cdc.commands import FeedCommand
from stories.demo_traffic import run_traffic

_MAX_RATE = 1000


class Command(FeedCommand):
    help = (
        "Change the counters, titles and statuses of demo stories until SIGTERM. Also create and "
        "delete demo stories; the number of demo stories without an account stays between 1,000 "
        "and 2,000. The rate is lower at night (UTC), and rises and falls in waves of 15 minutes. "
        "Other stories, and demo stories that belong to an account, are not changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rate", type=float, default=1, help="Changes per second on average (default: 1)."
        )

    def handle(self, *args: Any, rate: float, **options: Any) -> None:
        if not 0 < rate <= _MAX_RATE:
            self.misuse(f"--rate is {rate:g}: choose a rate greater than 0, up to {_MAX_RATE}.")
        run_traffic(rate)
