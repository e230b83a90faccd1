"""Relays without consumers, and the events that these relays have published."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from cdc.conf import CdcSettings
from cdc.models import OutboxRecord, RelayLease
from stories.models import Story
from tests.faults.crew import Crew
from tests.faults.topic import Seen, read_topic
from tests.faults.traffic import clear_outbox_log, logged


@contextmanager
def relays(settings: CdcSettings, folder: Path, number: int) -> Iterator[Crew]:
    crew = Crew(settings, folder, relays=number, consumers=0)
    try:
        yield crew
    finally:
        crew.kill()


def save(title: str, description: str = "") -> Story:
    return Story.objects.create(title=title, href="http://example.org/", description=description)


def clear_outbox() -> None:
    OutboxRecord.objects.all().delete()
    RelayLease.objects.all().delete()
    clear_outbox_log()


def published(settings: CdcSettings, *, rows: bool = True) -> list[Seen]:
    """Return the published events of all outbox rows in the log."""
    wanted = logged()
    return [
        item
        for item in read_topic(settings, 120, rows=rows)
        if (*item.version, item.story) in wanted
    ]


def drained() -> bool:
    connection.close()
    return not OutboxRecord.objects.exists()
