"""Checks whether the relay and the consumer have finished their work and may be stopped."""

from functools import cached_property

from django.db import Error

from cdc.api import registry
from cdc.conf import CdcSettings
from cdc.operations import StatusReader, outbox_is_empty


class DrainChecks:
    """The checks of the relay and the consumer.

    If the state is unknown, a check returns True, so that an outage does not delay the stop.
    """

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings

    def outbox_is_empty(self) -> bool:
        try:
            return outbox_is_empty()
        except Error:
            return True

    def replica_is_current(self) -> bool:
        status = self._reader.read()
        return bool(status.problems) or status.waiting == 0

    @cached_property
    def _reader(self) -> StatusReader:
        # The reader is created only when `up` stops, because its clients would log each earlier
        # restart of a server.
        return StatusReader(self._settings, registry)
