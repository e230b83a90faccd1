"""The feed of this process, made from the settings when it is first asked for."""

from functools import cache

from cdc.conf import cdc_settings
from cdc.feed.catch_up import CatchUp
from cdc.feed.change import ChangeReader
from cdc.feed.hub import Hub
from cdc.feed.stop import stop_flag
from cdc.feed.tail import Tail
from cdc.kafka.tail import KafkaTail
from cdc.registry import registry


def open_tail() -> Tail:
    """Return a tail of the settings' topic."""
    return KafkaTail(cdc_settings())


@cache
def changes() -> ChangeReader:
    """Return what reads records for people."""
    return ChangeReader(registry)


@cache
def hub() -> Hub:
    """Return the one hub."""
    return Hub(open_tail, changes().read, stop_flag)


@cache
def catch_up() -> CatchUp:
    """Return what reads again for those who fell behind."""
    return CatchUp(hub())
