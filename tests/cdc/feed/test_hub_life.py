"""When the hub follows the topic, when it wakes its readers, and what ends it."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from confluent_kafka import KafkaException

from cdc.audience import Audience
from cdc.feed import hub as module
from cdc.feed.filter import Filter
from cdc.feed.follower import Batch, Follower
from cdc.feed.hub import Hub
from cdc.feed.position import FeedPosition
from cdc.feed.ring import Ring
from cdc.runtime.stop import StopFlag
from cdc.runtime.threads import thread_problems
from cdc.testing.tail import MemoryTail
from cdc.testing.twins import MemoryBroker
from cdc.wire.event import Version
from cdc.wire.records import Record
from tests.cdc.feed.records import RENDERER, TOPIC, rendered, update
from tests.support.builders import outgoing

EVERYTHING = Filter()
NO_DELAYS: Mapping[Version, float] = {}


class World:
    """A hub over a topic in memory."""

    def __init__(
        self, look_up: Callable[[Sequence[Version]], Mapping[Version, float]], recent: int = 0
    ) -> None:
        self.broker = MemoryBroker(partition_count=1)
        self.tails = 0
        self.flag = StopFlag()
        self.hub = Hub(
            self._open, RENDERER.render, self.flag, look_up=look_up, linger=0.3, recent=recent
        )

    def _open(self) -> MemoryTail:
        self.tails += 1
        return MemoryTail(broker=self.broker, topic=TOPIC)

    def publish(self, number: int) -> None:
        self.broker.publish([outgoing(update(number, number), TOPIC)], lambda: True)

    async def ready(self) -> Ring:
        await reach(lambda: self.hub.ring is not None)
        assert self.hub.ring is not None
        return self.hub.ring


async def reach(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def run(
    scene: Callable[[World], Coroutine[Any, Any, None]],
    look_up: Callable[[Sequence[Version]], Mapping[Version, float]] = lambda _: NO_DELAYS,
    recent: int = 0,
) -> None:
    async def ended() -> None:
        world = World(look_up, recent)
        try:
            await scene(world)
        finally:
            world.hub.end()

    asyncio.run(ended())


def test_the_first_reader_starts_the_only_tail_and_each_change_becomes_visible() -> None:
    async def scene(world: World) -> None:
        hub = world.hub
        world.publish(1)
        assert (hub.readers, world.tails, hub.ring) == (0, 0, None)
        with hub.reading(), hub.reading():
            ring = await world.ready()
            assert (hub.readers, world.tails) == (2, 1)
            assert (ring.end.offsets, hub.visible) == ((1,), 0), "older changes are not new"

            world.publish(2)
            await reach(lambda: hub.visible == 1)

            frames, following = hub.chunk(0, Audience.OPERATORS, EVERYTHING)
            assert (b'"key":"2"' in frames, following) == (True, 1)
            assert ring.end.offsets == (2,)
        assert hub.readers == 0

    run(scene)


def test_the_tail_ends_some_time_after_the_last_reader_and_the_next_gets_another() -> None:
    async def scene(world: World) -> None:
        hub = world.hub
        with hub.reading():
            first = await world.ready()
            follower = hub._follower
            assert follower is not None
            await asyncio.sleep(0.6)
            assert hub._follower is follower, "it is read"
        with hub.reading():
            assert hub._follower is follower, "it was left for a moment only"
            await asyncio.sleep(0.6)
            assert hub._follower is follower
        await reach(lambda: hub._follower is None)
        assert follower.stopped

        world.publish(1)
        with hub.reading():
            await reach(lambda: hub.ring not in {None, first})
            assert hub.ring is not None
            assert (world.tails, hub.ring.end.offsets, hub.visible) == (2, (1,), 0)
        assert hub.error == ""

    run(scene)


def test_a_reader_that_fails_is_not_counted_any_more() -> None:
    async def scene(world: World) -> None:
        with pytest.raises(ValueError, match="gone"), world.hub.reading():
            raise ValueError("gone")
        assert world.hub.readers == 0

    run(scene)


def test_waiting_for_news_ends_with_a_change_or_in_time() -> None:
    async def scene(world: World) -> None:
        hub = world.hub
        with hub.reading():
            await world.ready()
            await reach(lambda: hub._next_tick is None)
            began = time.monotonic()
            await hub.news(0.05)
            assert time.monotonic() - began >= 0.04

            waiting = [asyncio.create_task(hub.news(60)) for _ in range(3)]
            await asyncio.sleep(0)
            world.publish(1)
            await asyncio.wait_for(asyncio.gather(*waiting), 50)
            assert hub.visible == 1
            began = time.monotonic()
            await hub.news(0.05)
            assert time.monotonic() - began >= 0.04, "old news wakes no reader"

    run(scene)


def test_a_process_that_stops_wakes_its_readers_and_ends_the_tail() -> None:
    async def scene(world: World) -> None:
        hub = world.hub
        with hub.reading():
            await world.ready()
            waiting = asyncio.create_task(hub.news(60))
            await asyncio.sleep(0)
            assert not hub.closing

            world.flag.raised = True

            await asyncio.wait_for(waiting, 50)
            assert hub.closing
            await reach(lambda: hub._follower is None)

    run(scene)


@pytest.mark.parametrize(("readers", "seconds"), [(0, 0.015), (100, 0.04), (1_000, 0.265)])
def test_many_readers_are_woken_less_often(readers: int, seconds: float) -> None:
    async def scene(world: World) -> None:
        hub, loop = world.hub, asyncio.get_running_loop()
        hub._loop, hub.readers = loop, readers
        before = loop.time()
        hub._schedule_tick()
        after = loop.time()
        tick = hub._next_tick
        assert tick is not None
        assert before + seconds - 1e-6 <= tick.when() <= after + seconds + 1e-6
        hub._schedule_tick()
        assert hub._next_tick is tick, "one tick at a time"
        await reach(lambda: hub._next_tick is None)
        hub._schedule_tick()
        assert hub._next_tick not in {None, tick}

    run(scene)


def test_a_reader_that_missed_a_turn_does_not_wait() -> None:
    async def scene(world: World) -> None:
        hub = world.hub
        seen = hub.turn
        hub._tick()
        await asyncio.wait_for(hub.news(60, seen), 50)
        waiting = asyncio.create_task(hub.news(60, hub.turn))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        hub._tick()
        await asyncio.wait_for(waiting, 50)

    run(scene)


def test_many_readers_are_woken_one_group_after_the_other() -> None:
    async def scene(world: World) -> None:
        hub = world.hub
        hub._loop, hub.readers = asyncio.get_running_loop(), 4_000
        woken: list[int] = []

        async def wait(group: int) -> None:
            await hub.news(60, None, group)
            woken.append(group)

        with ExitStack() as stack:
            groups = [stack.enter_context(hub.reading()) for _ in range(64)]
        assert sorted(groups) == sorted([*range(32)] * 2)
        tasks = [asyncio.create_task(wait(group)) for group in groups]
        await asyncio.sleep(0)
        hub._tick()
        await asyncio.wait_for(asyncio.gather(*tasks), 50)
        assert woken == sorted(groups)

    run(scene)


def test_only_some_chunks_are_shared_until_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_CHUNKS", 2)

    async def scene(world: World) -> None:
        hub = world.hub
        hub.ring = Ring(FeedPosition("aaaaaaaa", (0,)))
        for number in range(4):
            hub.ring.add(rendered(update(number, number), 0, number))
        hub.visible = 4
        twice = [
            [hub.chunk(number, Audience.OPERATORS, EVERYTHING)[0] for _ in range(2)]
            for number in range(3)
        ]

        assert [one is other for one, other in twice] == [True, True, False]
        assert [one == other for one, other in twice] == [True, True, True]

    run(scene)


def test_a_hub_without_a_topic_yet_has_an_empty_chunk() -> None:
    async def scene(world: World) -> None:
        assert world.hub.chunk(0, Audience.OPERATORS, EVERYTHING) == (b"", 0)
        world.hub._tick()
        assert world.hub.visible == 0

    run(scene)


def test_delays_are_reported_once_to_the_readers() -> None:
    asked: list[Sequence[Version]] = []

    def look_up(versions: Sequence[Version]) -> Mapping[Version, float]:
        asked.append(versions)
        return dict.fromkeys(versions, 0.25)

    async def scene(world: World) -> None:
        hub = world.hub
        with hub.reading():
            await world.ready()
            world.publish(7)
            await reach(lambda: hub.delays.next == 1)
            await hub.news(60)
            assert [b"250" in frame for frame in hub.delays.since(0)] == [True]
        assert [list(versions) for versions in asked] == [[Version(1, 7)]]
        task = hub._delays_task
        assert task is not None
        await reach(lambda: hub._follower is None and task.done())

    run(scene, look_up)


def test_at_the_start_delays_are_looked_up_only_for_the_newest_changes() -> None:
    asked: list[Sequence[Version]] = []

    def look_up(versions: Sequence[Version]) -> Mapping[Version, float]:
        asked.append(versions)
        return dict.fromkeys(versions, 0.25)

    async def scene(world: World) -> None:
        for number in range(1, 131):
            world.publish(number)
        with world.hub.reading():
            ring = await world.ready()
            assert (ring.first, ring.next, world.hub.visible) == (0, 130, 130)
            await reach(lambda: world.hub.delays.next == 1)
        assert [set(versions) for versions in asked] == [
            {Version(1, number) for number in range(31, 131)}
        ]

    run(scene, look_up, recent=2_000)


def posting(world: World, follower: Follower) -> tuple[threading.Thread, list[bool]]:
    """Post a change in a thread, as the follower does; return the thread and the hub's answers."""
    taken: list[bool] = []
    change: Batch = [((0, 0), rendered(update(1, 1), 0, 0))]
    thread = threading.Thread(target=lambda: taken.append(world.hub._post(follower, change)))
    thread.start()
    return thread, taken


def test_a_thread_waits_until_the_loop_has_taken_its_changes() -> None:
    async def scene(world: World) -> None:
        hub = world.hub
        hub.ring = Ring(FeedPosition("aaaaaaaa", (0,)))
        hub._loop = asyncio.get_running_loop()
        hub._follower = follower = Follower(world._open, RENDERER.render, hub._post, hub._end)
        thread, taken = posting(world, follower)
        # The loop is busy for longer than a single wait of the thread.
        time.sleep(0.25)  # noqa: ASYNC251 -- the loop must block
        assert taken == []

        await reach(lambda: not thread.is_alive())

        assert taken == [True]
        assert hub.ring.next == 1

    run(scene)


def test_a_thread_that_is_stopped_does_not_wait_for_the_loop() -> None:
    async def scene(world: World) -> None:
        world.hub._loop = asyncio.get_running_loop()
        follower = Follower(world._open, RENDERER.render, world.hub._post, world.hub._end)
        follower.stop()
        thread, taken = posting(world, follower)
        thread.join(60)  # The loop takes no change in the meantime.

        assert taken == [False]

    run(scene)


def test_nothing_is_taken_without_a_loop_or_by_a_closed_one() -> None:
    world = World(lambda _: NO_DELAYS)
    follower = Follower(world._open, RENDERER.render, world.hub._post, world.hub._end)
    for loop in (None, asyncio.new_event_loop()):
        world.hub._loop = loop
        with ExitStack() as stack:
            if loop is not None:
                stack.callback(loop.close)
        thread, taken = posting(world, follower)
        thread.join(60)
        assert taken == [False]


@pytest.mark.parametrize("error", [KafkaException("fatal"), RuntimeError("closed"), ValueError("")])
def test_a_reader_of_kafka_that_dies_is_restarted_and_reported(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The new reader continues where the dead one ended, so that no change is left out."""
    failing = threading.Event()
    poll = MemoryTail.poll

    def fail(tail: MemoryTail, limit: int, seconds: float) -> list[Record]:
        if failing.is_set():
            raise error
        return poll(tail, limit, seconds)

    monkeypatch.setattr(MemoryTail, "poll", fail)

    async def scene(world: World) -> None:
        with world.hub.reading():
            await world.ready()
            failing.set()
            await reach(lambda: type(error).__name__ in world.hub.error)
            assert any("'feed'" in problem for problem in thread_problems())
            world.publish(1)
            failing.clear()
            await reach(lambda: world.hub.visible == 1)
            assert world.hub.error == ""

    run(scene)


def test_a_history_that_fails_unexpectedly_stops_no_delays() -> None:
    looked: list[int] = []

    def look_up(versions: Sequence[Version]) -> Mapping[Version, float]:
        looked.append(1)
        if len(looked) == 1:
            raise KeyError("at")
        return dict.fromkeys(versions, 0.017)

    async def scene(world: World) -> None:
        with world.hub.reading():
            await world.ready()
            world.publish(1)
            await reach(lambda: world.hub.delays.next == 1)

    run(scene, look_up)
