"""`manage.py rewind`."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from cdc.conf import cdc_settings
from cdc.context import current_actor
from cdc.errors import Misconfigured
from cdc.registry import all_topics, topic_names
from cdc.resync import rewind
from cdc.runtime.command import FeedCommand
from cdc.wire.moments import milliseconds


class Command(FeedCommand):
    help = (
        "Move the consumer's positions, usually back. Moving them back is harmless: the replica "
        "ignores events that it has already applied. Moving them forward skips changes, and the "
        "status then reports a gap. A running consumer continues from the new positions within two "
        "seconds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument(
            "--to-earliest", action="store_true", help="Move to the first records in Kafka."
        )
        where.add_argument(
            "--to-offset", type=int, metavar="N", help="Move to offset N in each partition."
        )
        where.add_argument(
            "--to-time",
            type=_moment,
            metavar="T",
            help="Move to the first record at or after the time T (ISO 8601, from 1970 to 9999; "
            "UTC if T has no zone).",
        )
        parser.add_argument(
            "--topic", metavar="NAME", help="Move only the positions in the topic NAME."
        )
        parser.add_argument(
            "--partition",
            type=int,
            metavar="N",
            help="Move only the position in partition N, of the topic NAME if --topic is given, "
            "otherwise of each captured topic.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        target: rewind.Target = rewind.earliest
        if options["to_offset"] is not None:
            target = rewind.at_offset(options["to_offset"])
        elif options["to_time"] is not None:
            target = rewind.at_time(options["to_time"])
        topics = _topics(options["topic"])
        moved = rewind.rewind(cdc_settings(), topics, target, options["partition"], current_actor())
        for item in moved:
            place = f"{item.source.topic} {item.source.partition}"
            before = "its start" if item.before is None else item.before
            self.stdout.write(f"{place}: from {before} to {item.after}")


def _topics(name: str | None) -> list[str]:
    """Return the topics whose positions are moved; internal topics only if they are named."""
    if name is None:
        return topic_names()
    if name not in all_topics():
        known = ", ".join(sorted(all_topics()))
        raise Misconfigured(f"--topic is {name!r}, which is not captured: use one of {known}.")
    return [name]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or milliseconds(moment) is None:
        raise ArgumentTypeError(
            f"{text!r} is not a valid time between 1970 and 9999. Use a format such as "
            "2026-03-16T20:36:41."
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
