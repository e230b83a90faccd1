"""The base class of the commands, with exit codes and one-sentence error messages."""

from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from cdc.errors import CdcError, Misconfigured
from cdc.runtime.database import database_problem

FAILED, MISUSED = 1, 2


class FeedCommand(BaseCommand):
    """A command that reports an error in one sentence and exits with code 1 or 2.

    Exit code 2 means wrong usage or a wrong setting.
    """

    requires_system_checks = []

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command, and convert errors to exit codes."""
        try:
            return super().execute(*args, **options)
        except Misconfigured as error:
            raise CommandError(str(error), returncode=MISUSED) from error
        except CdcError as error:
            raise CommandError(str(error), returncode=FAILED) from error
        except DatabaseError as error:
            raise CommandError(database_problem(error), returncode=FAILED) from error

    def fail(self, sentence: str) -> NoReturn:
        """Print `sentence` and exit with code 1."""
        raise CommandError(sentence, returncode=FAILED)

    def misuse(self, sentence: str) -> NoReturn:
        """Print `sentence` and exit with code 2."""
        raise CommandError(sentence, returncode=MISUSED)
