"""What is still on its way through the feed, for a stop that leaves nothing half done."""

from functools import cached_property

from django.db import Error

from cdc.api import registry
from cdc.conf import CdcSettings
from cdc.operations import StatusReader, outbox_is_empty


class Backlog:
    """Asks the feed's own status; what cannot be known is not waited for."""

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings

    def is_published(self) -> bool:
        """Return whether the outbox is empty."""
        try:
            return outbox_is_empty()
        except Error:
            return True

    def is_applied(self) -> bool:
        """Return whether the consumer has nothing left either."""
        status = self._reader.read()
        return bool(status.problems) or status.waiting == 0

    @cached_property
    def _reader(self) -> StatusReader:
        # Made at the end only: its clients would report every restart of a server.
        return StatusReader(self._settings, registry)
