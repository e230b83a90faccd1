"""The components of the feed; each process creates them once, from the settings."""

from collections.abc import Mapping, Sequence
from functools import cache

from cdc.conf import cdc_settings
from cdc.feed.admission.access import AccessChecks
from cdc.feed.admission.limits import Places
from cdc.feed.catch_up import CatchUp
from cdc.feed.hub import Hub
from cdc.feed.rendering import Renderer
from cdc.feed.topic_pages import TopicPages
from cdc.kafka.tail import KafkaTail
from cdc.mongo.client import connect
from cdc.mongo.history import History
from cdc.registry import registry
from cdc.runtime.stop import stop_flag
from cdc.wire.event import Version
from cdc.wire.topic import Tail


def open_tail() -> Tail:
    return KafkaTail(cdc_settings())


@cache
def renderer() -> Renderer:
    return Renderer(registry)


@cache
def hub() -> Hub:
    return Hub(open_tail, renderer().render, stop_flag, look_up=_applied)


@cache
def topic_pages() -> TopicPages:
    return TopicPages(open_tail, renderer().render)


@cache
def history() -> History:
    """Return the history in MongoDB. Raise Misconfigured if no MongoDB is configured."""
    settings = cdc_settings()
    shown = (capture for capture in registry if capture.topic == settings.topic)
    keys = {capture.table: capture.key.name for capture in shown}
    return History(connect(settings), settings, keys)


def _applied(versions: Sequence[Version]) -> Mapping[Version, float]:
    return history().applied(versions)


@cache
def places() -> Places:
    settings = cdc_settings()
    return Places(
        total=settings.feed_streams,
        account=settings.feed_streams_per_account,
        address=settings.feed_streams_per_address,
    )


@cache
def access_checks() -> AccessChecks:
    return AccessChecks()


@cache
def catch_up() -> CatchUp:
    return CatchUp(hub())
