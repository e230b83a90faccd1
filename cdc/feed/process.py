"""The feed of this process, made from the settings when it is first asked for."""

from collections.abc import Mapping, Sequence
from functools import cache

from cdc.conf import cdc_settings
from cdc.feed.catch_up import CatchUp
from cdc.feed.change import ChangeReader
from cdc.feed.hub import Hub
from cdc.feed.past import Past
from cdc.feed.stop import stop_flag
from cdc.kafka.tail import KafkaTail
from cdc.mongo.client import connect
from cdc.mongo.history import History
from cdc.registry import registry
from cdc.wire.event import Version
from cdc.wire.topic import Tail


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
    return Hub(open_tail, changes().read, stop_flag, look_up=_applied)


@cache
def past() -> Past:
    """Return what reads pages of the topic."""
    return Past(open_tail, changes().read)


@cache
def history() -> History:
    """Return what MongoDB keeps of events; raises Misconfigured where there is no MongoDB."""
    settings = cdc_settings()
    keys = {capture.table: capture.key.name for capture in registry}
    return History(connect(settings), settings, keys)


def _applied(versions: Sequence[Version]) -> Mapping[Version, float]:
    return history().applied(versions)


@cache
def catch_up() -> CatchUp:
    """Return what reads again for those who fell behind."""
    return CatchUp(hub())
