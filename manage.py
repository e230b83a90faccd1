#!/usr/bin/env python
"""Storyfeed's command line."""

import os
import sys

from django.core.management import execute_from_command_line

from cdc.errors import Misconfigured


def main() -> int:
    """Run one command; a wrong configuration is one sentence and exit code 2."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        execute_from_command_line(sys.argv)
    except Misconfigured as error:
        sys.stderr.write(f"storyfeed: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
