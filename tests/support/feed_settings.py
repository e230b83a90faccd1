"""The project's settings of the feed, for tests that change some of them."""

from dataclasses import replace
from typing import Any

from django.conf import settings

from cdc.conf import CdcSettings


def without_servers(**changes: Any) -> CdcSettings:
    """Return the settings with `changes`, and no Kafka or MongoDB unless these name one."""
    return replace(settings.CDC, **{"bootstrap_servers": "", "mongodb_uri": "", **changes})
