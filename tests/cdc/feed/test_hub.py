"""The chunks that all readers share, and the end of the streams when the hub's tail ends."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest

from cdc.audience import Audience
from cdc.errors import Retryable
from cdc.feed import hub as module
from cdc.feed.filter import Filter
from cdc.feed.follower import Follower, Posted, Start
from cdc.feed.hub import Hub
from cdc.feed.position import FeedPosition
from cdc.feed.ring import Ring
from cdc.runtime.stop import StopFlag
from cdc.testing.tail import MemoryTail
from cdc.testing.twins import MemoryBroker
from tests.cdc.feed.frames import Frames
from tests.cdc.feed.records import RENDERER, TOPIC, rendered, update

START = FeedPosition("aaaaaaaa", (0,))
EVERYTHING = Filter()
PERSONAL = {"user": {"name": "Secret Person"}}


def hub_of(count: int) -> Hub:
    """Return a hub with `count` updates that contain personal data. Readers see all of them."""
    made = Hub(lambda: MemoryTail(broker=MemoryBroker(), topic=TOPIC), RENDERER.render, StopFlag())
    made.ring = Ring(START)
    for number in range(count):
        made.ring.add(rendered(update(number, number, **PERSONAL), 0, number))
    made.visible = made.ring.next
    return made


def seen(chunk: tuple[bytes, int]) -> list[dict[str, object]]:
    frames = Frames()
    frames.feed(chunk[0])
    return frames.named("change")


@pytest.mark.parametrize("first", list(Audience))
def test_readers_of_another_audience_do_not_share_a_chunk(first: Audience) -> None:
    hub = hub_of(3)
    hub.chunk(0, first, EVERYTHING)

    operators, overseers = (seen(hub.chunk(0, each, EVERYTHING)) for each in Audience)

    assert [change["who"] for change in operators] == ["7"] * 3
    assert b"Secret Person" in orjson.dumps(operators)
    assert [change.keys() & {"who"} for change in overseers] == [set()] * 3
    assert [(change["fields"], change["hidden"]) for change in overseers] == [([], 1)] * 3
    assert b"Secret" not in orjson.dumps(overseers)


def test_readers_with_another_filter_or_place_do_not_share_a_chunk() -> None:
    hub = hub_of(4)

    def keys(number: int, wanted: Filter) -> list[object]:
        return [change["key"] for change in seen(hub.chunk(number, Audience.OPERATORS, wanted))]

    assert keys(0, EVERYTHING) == ["0", "1", "2", "3"]
    assert keys(0, Filter(key="2")) == ["2"]
    assert keys(0, Filter(key="3")) == ["3"]
    assert keys(2, EVERYTHING) == ["2", "3"]


def test_a_filter_on_a_personal_column_matches_only_for_those_who_see_it() -> None:
    hub = hub_of(2)
    wanted = Filter(field="user")

    assert len(seen(hub.chunk(0, Audience.OPERATORS, wanted))) == 2
    assert seen(hub.chunk(0, Audience.OVERSEERS, wanted)) == []


def test_readers_at_one_place_share_a_chunk_until_the_next_tick() -> None:
    hub = hub_of(2)
    assert hub.ring is not None
    first, following = hub.chunk(0, Audience.OPERATORS, EVERYTHING)
    hub.ring.add(rendered(update(2, 2), 0, 2))

    assert hub.chunk(0, Audience.OPERATORS, EVERYTHING)[0] is first
    assert following == 2
    hub._tick()
    frames, following = hub.chunk(0, Audience.OPERATORS, EVERYTHING)
    assert (len(seen((frames, following))), following) == (3, 3)


def test_a_chunk_ends_before_changes_that_are_not_visible_yet() -> None:
    hub = hub_of(5)
    hub.visible = 3

    frames, following = hub.chunk(1, Audience.OPERATORS, EVERYTHING)

    assert [change["key"] for change in seen((frames, following))] == ["1", "2"]
    assert following == 3


def test_a_long_chunk_ends_after_the_change_that_fills_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = hub_of(5)
    monkeypatch.setattr(module, "LONGEST_CHUNK", 1)

    frames, following = hub.chunk(1, Audience.OPERATORS, EVERYTHING)

    assert [change["key"] for change in seen((frames, following))] == ["1"]
    assert following == 2


def post(hub: Hub, *posted: Posted) -> None:
    """Pass objects to the hub, as its follower does."""

    async def run() -> None:
        hub._loop = asyncio.get_running_loop()
        hub._follower = Follower(hub.open_tail, hub.render, hub._post, hub._end)
        for each in posted:
            done = asyncio.Event()
            hub._take(hub._follower, each, done)  # type: ignore[arg-type]  # only set() is called
            assert done.is_set()
        if hub._next_tick:
            hub._next_tick.cancel()
            hub._next_tick = None

    asyncio.run(run())


def test_an_error_is_shown_until_kafka_responds_again() -> None:
    hub = hub_of(0)
    post(hub, Retryable("Kafka is down."))
    assert hub.error == "Kafka is down."
    post(hub, [])
    assert hub.error == ""


def test_a_record_without_a_change_moves_the_end() -> None:
    hub = hub_of(2)
    post(hub, [((0, 2), None)])
    assert hub.ring is not None
    assert hub.ring.end == replace(START, offsets=(3,))
    assert hub.ring.next == 2


def other_topic(hub: Hub) -> Posted:
    return Start(FeedPosition("bbbbbbbb", (7,)), [])


def same_place(hub: Hub) -> Posted:
    assert hub.ring is not None
    return Start(hub.ring.end, [])


@pytest.mark.parametrize(("start", "kept"), [(other_topic, False), (same_place, True)])
def test_memory_is_dropped_only_if_the_tail_resumes_elsewhere(
    start: Callable[[Hub], Posted], *, kept: bool
) -> None:
    hub = hub_of(2)
    hub.chunk(0, Audience.OPERATORS, EVERYTHING)
    ring = hub.ring

    post(hub, start(hub))

    assert (hub.ring is ring) is kept
    assert hub.visible == (2 if kept else 0)
    assert len(seen(hub.chunk(0, Audience.OPERATORS, EVERYTHING))) == (2 if kept else 0)


def test_a_follower_that_was_replaced_changes_nothing() -> None:
    hub = hub_of(1)
    late = Follower(hub.open_tail, hub.render, hub._post, hub._end)
    done = asyncio.Event()

    hub._take(late, [((0, 1), rendered(update(1, 1), 0, 1))], done)  # type: ignore[arg-type]

    assert done.is_set(), "its thread would wait"
    assert hub.ring is not None
    assert hub.ring.next == 1
