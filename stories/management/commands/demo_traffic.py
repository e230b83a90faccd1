"""`manage.py demo_traffic --rate R`."""

from argparse import ArgumentParser
from typing import Any

from cdc.commands import FeedCommand
from stories.demo_traffic import run_traffic

_FASTEST = 1000


class Command(FeedCommand):
    help = (
        "Change demo stories, and no others, until SIGTERM: counters, titles and status; some are "
        "created and deleted. Their number stays between 150 and 300."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rate", type=float, default=1, help="changes per second (default 1)")

    def handle(self, *args: Any, rate: float, **options: Any) -> None:
        if not 0 < rate <= _FASTEST:
            self.misuse(f"--rate is {rate:g}: give changes per second, over 0 up to {_FASTEST}.")
        run_traffic(rate)
