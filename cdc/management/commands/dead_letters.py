"""`manage.py dead_letters`."""

import json
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS
from rich.console import Console

from cdc.audience import Audience
from cdc.conf import cdc_settings
from cdc.context import acting_as
from cdc.dead_letters.console import letter_json, letter_page, letters_table
from cdc.dead_letters.decisions import Outcome, discard, each_waiting, replay
from cdc.dead_letters.inspection import Inspector
from cdc.models import DeadLetter, DeadLetterStatus
from cdc.operator_log import system_user
from cdc.runtime.command import FeedCommand

_IDS = "The IDs of the dead letters, as `list` shows them."


class Command(FeedCommand):
    help = (
        "Inspect messages that could not be applied, then replay or discard them. `replay` sends "
        "the current state of the row that a message is about; `discard` sends nothing. Exit code "
        "1: at least one decision was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        listed = actions.add_parser("list", help="List the dead letters that wait for a decision.")
        listed.add_argument("--all", action="store_true", help="Include resolved dead letters.")
        shown = actions.add_parser(
            "show", help="Show dead letters with their messages, rows and documents."
        )
        shown.add_argument("ids", nargs="+", type=int, metavar="ID", help=_IDS)
        for parsed in (listed, shown):
            parsed.add_argument(
                "--json", action="store_true", help="Print JSON instead of a table."
            )
        for name, text in (
            ("replay", "Send the current state of the rows of these dead letters to Kafka."),
            ("discard", "Mark dead letters as discarded; send nothing."),
        ):
            decided = actions.add_parser(name, help=text)
            decided.add_argument("ids", nargs="*", type=int, metavar="ID", help=_IDS)
            decided.add_argument(
                "--waiting",
                action="store_true",
                help="Decide on all dead letters that are waiting for a decision.",
            )
            decided.add_argument(
                "--why", default="", help="The reason for the decision, for the operator log."
            )

    def handle(self, *args: Any, **options: Any) -> None:
        steps: dict[str, Callable[[dict[str, Any]], None]] = {
            "list": self._list,
            "show": self._show,
            "replay": lambda given: self._decide(replay, "replayed", given),
            "discard": lambda given: self._decide(discard, "discarded", given),
        }
        steps[options["action"]](options)

    def _list(self, options: dict[str, Any]) -> None:
        letters = DeadLetter.objects.defer("value", "key")
        if not options["all"]:
            letters = letters.filter(status=DeadLetterStatus.WAITING)
        if options["json"]:
            self.stdout.write(json.dumps([letter_json(letter) for letter in letters]))
        elif letters:
            Console(highlight=False).print(letters_table(letters))
        else:
            self.stdout.write("No dead letters." if options["all"] else "No dead letters waiting.")

    def _show(self, options: dict[str, Any]) -> None:
        inspector = Inspector(cdc_settings(), DEFAULT_DB_ALIAS)
        for letter in self._named(options["ids"]):
            inspection = inspector.inspect(letter, Audience.OPERATORS)
            if options["json"]:
                found = {**letter_json(letter), **inspection.as_json()}
                self.stdout.write(json.dumps(found))
            else:
                Console(highlight=False).print(letter_page(letter, inspection))

    def _decide(self, decide: Callable[..., Outcome], word: str, options: dict[str, Any]) -> None:
        if bool(options["ids"]) == options["waiting"]:
            self.misuse("Pass the IDs of the dead letters, or --waiting for all that are waiting.")
        named = self._named(options["ids"])
        letters = each_waiting(using=DEFAULT_DB_ALIAS) if options["waiting"] else named
        with acting_as(system_user()):
            outcome = decide(letters, options["why"], using=DEFAULT_DB_ALIAS)
        self.stdout.write(f"{len(outcome.resolved)} {word}.")
        if outcome.unchanged:
            self.fail("\n".join(outcome.unchanged))

    def _named(self, ids: list[int]) -> list[DeadLetter]:
        found = DeadLetter.objects.in_bulk(ids)
        missing = [str(number) for number in ids if number not in found]
        if missing:
            numbers = " or ".join(missing)
            self.fail(f"No dead letter has the ID {numbers}: see `dead_letters list --all`.")
        return [found[number] for number in dict.fromkeys(ids)]
