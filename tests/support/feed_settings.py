"""The project's `CdcSettings`, with changes for a test."""

from dataclasses import replace
from typing import Any

from django.conf import settings

from cdc.conf import CdcSettings

LONG_SESSION = {"session.timeout.ms": "60000"}
"""With this KAFKA_CONFIG, Kafka keeps a consumer that gets no CPU time for some seconds."""


def without_servers(**changes: Any) -> CdcSettings:
    """Return the settings with `changes`. Unless they set one, there is no server address."""
    return replace(settings.CDC, **{"bootstrap_servers": "", "mongodb_uri": "", **changes})
