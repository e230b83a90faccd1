#!/usr/bin/env python
"""Storyfeed's command line."""
# ruff: noqa: E402

import gc
import os
import sys

# The imports create many objects that live as long as the process, and no garbage. Without searches
# for garbage, a start needs a tenth less processor time. `project.apps` resumes the searches.
gc.disable()

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from cdc.commands import database_problem
from cdc.errors import Misconfigured
from project.config.logs import report_failure
from project.config.secret_key import require_secret_key_for

FAILED, MISUSED = 1, 2


def main() -> int:
    """Run one command. An error that an operator can correct is printed as one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        require_secret_key_for(sys.argv[1:])
        execute_from_command_line(sys.argv)
    except (Misconfigured, ImproperlyConfigured) as error:
        return report_failure(str(error), MISUSED)
    except OperationalError as error:
        return report_failure(database_problem(error), FAILED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
