"""A running pipeline on servers that may fail, and the checks at its end."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from django.db import connection

from tests.faults.conftest import captured_into, isolated_settings
from tests.faults.crew import database_url
from tests.faults.databases import isolated_database
from tests.faults.schedule.cast import Cast, Size
from tests.faults.schedule.probe import Delays, Probe
from tests.faults.schedule.servers import Servers
from tests.faults.schedule.stage import Stage
from tests.faults.topic import Seen, lasting_errors, out_of_order
from tests.faults.traffic import LOG, create_outbox_log, logged
from tests.faults.watcher import Watcher

_STORY = '{"id":'
"""The beginning of a story's key in the log. The log also contains changes of the canary."""


class Scene:
    """A cast, a probe and a watcher, on servers that may fail."""

    def __init__(self, stage: Stage, watcher: Watcher, delays: Delays) -> None:
        self.stage, self.watcher, self.delays = stage, watcher, delays
        self.servers, self.cast = stage.servers, stage.cast

    def judged(self) -> tuple[list[str], Sequence[Seen]]:
        """Return a message for each check that failed, and the events of the topic.

        Call this method after `stage.finish`. See `lasting_errors`.
        """
        records: Sequence[Seen] = ()

        def wrong() -> list[str]:
            nonlocal records
            records = self.stage.records()
            return self._wrong(records)

        return lasting_errors(wrong), records

    def _wrong(self, records: Sequence[Seen]) -> list[str]:
        # SIGTERM ends a writer that has not installed its handler yet.
        codes = set(self.cast.writer_codes) - {0, -signal.SIGTERM}
        return [
            *self.delays.violations,
            *out_of_order(records, logged_stories()),
            *(f"a writer ended with {code}" for code in codes),
            *self.stage.refused,
        ]


@contextmanager
def acting(folder: Path, servers: Servers, seed: int, size: Size) -> Iterator[Cast]:
    """Start a cast on `servers`, with a new database. Every change is logged."""
    with ExitStack() as stack:
        settings = isolated_settings(servers.bootstrap_servers, servers.mongodb_uri)
        settings = replace(settings, replication_factor=servers.replicas)
        stack.enter_context(captured_into(settings.topic))
        stack.enter_context(isolated_database(settings.group, folder, servers.server_url))
        create_outbox_log()
        environment = {
            "DATABASE_URL": servers.through_proxy(database_url()),
            "KAFKA_REPLICATION_FACTOR": str(servers.replicas),
        }
        cast = Cast(settings, folder, environment, seed, size)
        stack.callback(cast.end)
        cast.crew.wait_until_ready()
        yield cast


@contextmanager
def playing(cast: Cast, servers: Servers, look_every: float = 0.03) -> Iterator[Scene]:
    """Probe and watch a cast. A snapshot is checked every `look_every` seconds."""
    settings, delays = cast.crew.settings, Delays()
    watcher = Watcher(settings.mongodb_uri, settings.mongodb_database, delays, every=look_every)
    with watcher, Probe(delays) as probe:
        yield Scene(Stage(cast, servers, probe), watcher, delays)


def changes_logged() -> int:
    """Return the number of committed changes."""
    connection.close()  # A fault may have broken the connection.
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {LOG}")
        return int(cursor.fetchone()[0])


def logged_stories() -> set[tuple[int, int, str]]:
    """Return the epoch, the id and the key of each committed change of a story."""
    return {change for change in logged() if change[2].startswith(_STORY)}
