"""Examines the settings, with Django's own checks and with the clients' checks."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core import checks

from cdc.conf import CdcSettings
from cdc.doctor.check import Check, ok, or_ok, warning, wrong
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.watermarks import Watermarks
from cdc.mongo.client import connect
from cdc.runtime.trace_export import not_installed

_FULL_BYTES, _LITTLE_BYTES = 5_000_000, 200_000_000


def check_settings(settings: CdcSettings) -> Iterator[Check]:
    """Yield the checks of the settings; raise Misconfigured if a client refuses a setting."""
    found = django_checks("settings", include_deployment_checks=True)
    yield from or_ok(found, "settings.django", "Django's checks find no problems")
    require_valid_clients(settings)
    yield ok("settings.clients", "The Kafka and MongoDB clients accept their settings")
    yield from _traces()
    yield from or_ok(_disk(settings.home), "settings.disk", "The home folder's disk has free space")


def require_valid_clients(settings: CdcSettings) -> None:
    """Raise Misconfigured if a client of Kafka or MongoDB refuses its settings."""
    KafkaPublisher(settings).close()
    Watermarks(settings).close()
    connect(settings).close()


def django_checks(part: str, **options: Any) -> Iterator[Check]:
    """Yield what Django's checks find; `options` select the checks."""
    for message in checks.run_checks(**options):
        if message.is_silenced():
            continue
        make = wrong if message.is_serious() else warning
        sentence = " ".join(str(message.msg).split()).rstrip(".")
        remedy = " ".join(str(message.hint or "see Django's documentation").split()).rstrip(".")
        yield make(f"{part}.{message.id}", sentence, remedy)


def _traces() -> Iterator[Check]:
    if found := not_installed(os.environ):
        sentence, _, remedy = found.rstrip(".").rpartition(": ")
        yield warning("settings.traces", sentence, remedy)


def _disk(home: Path) -> Iterator[Check]:
    if home.exists() and (free := shutil.disk_usage(home).free) < _LITTLE_BYTES:
        make = wrong if free < _FULL_BYTES else warning
        yield make(
            "settings.disk",
            f"The disk of the home folder {home} has {free // 1_000_000} MB of free space",
            "free some space",
        )
