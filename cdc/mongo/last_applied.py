"""Reads what was applied last from the history."""

from collections.abc import Callable

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.mongo.client import connect
from cdc.mongo.reader import ReplicaReader
from cdc.wire.published import Published

_SECONDS = 1.0


class LastApplied:
    """Reads the highest version that the replica has applied."""

    def __init__(self, settings: CdcSettings) -> None:
        self._reader = ReplicaReader(connect(settings), settings)

    def __call__(self, keep_waiting: Callable[[], bool]) -> list[Published]:
        """Return the highest version; nothing if MongoDB does not respond.

        The relay works without MongoDB, and Kafka is the better source.
        """
        try:
            with self._reader.within(_SECONDS):
                highest = self._reader.highest_version()
        except Retryable:
            return []
        return [Published(version=highest)] if highest else []
