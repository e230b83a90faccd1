"""A reader's stream with an in-memory broker: no change is missed or sent twice."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest

from cdc.audience import Audience
from cdc.errors import Retryable
from cdc.feed import hub, stream
from cdc.feed.admission.access import Access
from cdc.feed.catch_up import CatchUp
from cdc.feed.filter import Filter
from cdc.feed.hub import Hub
from cdc.feed.position import FeedBounds, FeedPosition
from cdc.feed.ring import Ring
from cdc.feed.stream import CheckAccess, Reader
from cdc.runtime.stop import StopFlag
from cdc.testing.tail import MemoryTail
from cdc.testing.twins import FakeClock, MemoryBroker
from cdc.wire.event import Version
from cdc.wire.records import TopicPartition
from tests.cdc.feed.compacted import Compacted
from tests.cdc.feed.frames import Frames
from tests.cdc.feed.records import RENDERER, TOPIC, rendered, update
from tests.support.builders import change, outgoing

SECONDS = 90.0


async def allowed() -> Access:
    return Access.ALLOWED


class Broker(MemoryBroker):
    id = "one"

    def topic_id(self, topic: str) -> str:
        return self.id


class World:
    """An in-memory broker, a hub that follows it, and readers."""

    def __init__(self, memory: int = 4_000, recent: int = 0) -> None:
        self.broker = Broker(partition_count=3)
        self.first: dict[int, int] = {}
        self.tails: list[MemoryTail] = []
        self.stop = StopFlag()
        self.hub = Hub(
            self.tail,
            RENDERER.render,
            self.stop,
            memory=partial(Ring, changes=memory),
            look_up=self.look_up,
            linger=0.0,
            recent=recent,
        )
        self.delays: dict[Version, float] | None = None
        self.catch_up = CatchUp(self.hub)
        self.made = 0
        self.running: list[asyncio.Task[None]] = []

    def tail(self) -> MemoryTail:
        self.tails.append(MemoryTail(broker=self.broker, topic=TOPIC, first=self.first))
        return self.tails[-1]

    def look_up(self, versions: Sequence[Version]) -> dict[Version, float]:
        if self.delays is None:
            raise Retryable("MongoDB is down.")
        return {item: self.delays[item] for item in versions if item in self.delays}

    def publish(self, count: int = 1) -> None:
        events = [change("c", self.made + n, self.made + n) for n in range(1, count + 1)]
        self.made += count
        self.broker.publish([outgoing(event, TOPIC) for event in events], lambda: True)

    def reader(
        self,
        at: FeedPosition | str | None = None,
        wanted: Filter | None = None,
        check: CheckAccess | None = None,
        audience: Audience = Audience.OPERATORS,
    ) -> Frames:
        """Start a reader in the background. Return the frames that it receives."""
        place = FeedPosition.parse(at) if isinstance(at, str) else at
        reader = Reader(self.hub, self.catch_up, audience, wanted or Filter(), place)
        frames = Frames()
        self.running.append(asyncio.create_task(self._read(reader, frames, check or allowed)))
        return frames

    async def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)

    async def leave(self) -> None:
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        self.running.clear()

    async def _read(self, reader: Reader, frames: Frames, check: CheckAccess) -> None:
        async with aclosing(reader.stream(check)) as parts:
            async for part in parts:
                assert part
                frames.feed(part)

    @property
    def everything(self) -> set[tuple[int, int]]:
        return {
            (source.partition, offset)
            for source, log in self.broker.logs.items()
            for offset in range(len(log))
        }


def play(
    scene: Callable[[World], Coroutine[Any, Any, None]], memory: int = 4_000, recent: int = 0
) -> None:
    async def run() -> None:
        world = World(memory, recent)
        try:
            await scene(world)
        finally:
            await world.leave()
            world.hub.end()

    asyncio.run(run())


def assert_complete(world: World, *frames: Frames) -> None:
    """Assert that the readers together received each change once, and each partition in order."""
    places = [place for one in frames for place in one.places]
    assert len(places) == len(set(places)), "twice"
    assert set(places) == world.everything, "missed"
    for one in frames:
        for number in range(3):
            offsets = [offset for partition, offset in one.places if partition == number]
            assert offsets == sorted(offsets)


def has(frames: Frames, count: int) -> bool:
    return len(frames.places) == count


def start(world: World) -> FeedPosition:
    return FeedBounds.of(MemoryTail(broker=world.broker, topic=TOPIC).bounds()).first


def test_all_readers_get_new_changes() -> None:
    async def scene(world: World) -> None:
        world.publish(5)
        readers = [world.reader() for _ in range(3)]
        await world.until(lambda: all(one.named("here") for one in readers))
        world.publish(200)
        await world.until(lambda: all(len(one.places) == 200 for one in readers))
        assert len(world.tails) == 1
        assert readers[0].events[0] == ("state", {"kafka": "up"})
        assert len({one.last_id for one in readers}) == 1

    play(scene)


def test_a_reader_that_reconnects_misses_nothing_and_gets_nothing_twice() -> None:
    async def scene(world: World) -> None:
        first = world.reader()
        stays = world.reader()
        await world.until(lambda: bool(first.named("here")))
        world.publish(100)
        await world.until(lambda: len(first.places) == 100)
        world.running.pop(0).cancel()
        world.publish(100)
        await world.until(lambda: len(stays.places) == 200)
        again = world.reader(first.last_id)
        world.publish(100)
        await world.until(lambda: len(again.places) == 200)
        assert_complete(world, first, again)
        assert len(world.tails) == 1, "memory should have been enough"

    play(scene)


def test_a_stream_resumes_after_any_event() -> None:
    async def scene(world: World) -> None:
        reader = world.reader()
        await world.until(lambda: bool(reader.named("here")))
        ids = []
        feed = reader.feed

        def note(data: bytes) -> None:
            for block in data.split(b"\n\n")[:-1]:
                feed(block + b"\n\n")
                if b"event: change" in block:
                    ids.append(reader.last_id)

        reader.feed = note  # type: ignore[method-assign]
        world.publish(30)
        await world.until(lambda: len(ids) == 30)
        for number, last_id in enumerate(ids):
            rest = world.reader(last_id)
            await world.until(partial(has, rest, 29 - number))
            assert rest.places == reader.places[number + 1 :]

    play(scene)


@pytest.mark.parametrize("known", [True, False])
def test_changes_that_memory_lacks_come_from_kafka(known: bool) -> None:
    async def scene(world: World) -> None:
        world.publish(600)
        if known:  # the hub already has a ring
            world.reader()
            await world.until(lambda: world.hub.ring is not None)
        reader = world.reader(start(world))
        world.publish(200)
        await world.until(lambda: len(reader.places) == 800)
        world.publish(10)
        await world.until(lambda: len(reader.places) == 810)
        assert_complete(world, reader)
        assert not reader.named("gap")

    play(scene, memory=10)


def test_readers_that_return_after_a_restart_get_recent_changes_from_memory() -> None:
    async def scene(world: World) -> None:
        world.publish(90)
        places = [
            FeedPosition(start(world).tag, offsets)
            for offsets in ((0, 0, 0), (7, 3, 30), (9, 9, 9))
        ]
        readers = [world.reader(place) for place in places]
        await world.until(lambda: world.hub.ring is not None)
        world.publish(20)
        for reader, place in zip(readers, places, strict=True):
            await world.until(partial(has, reader, 110 - sum(place.offsets)))
            assert len(set(reader.places)) == len(reader.places)
            assert min(offset for _, offset in reader.places) == min(place.offsets)
            assert not reader.named("gap")
        assert len(world.tails) == 1, "a reader read the topic"

    play(scene, recent=2_000)


def test_a_reader_without_a_position_gets_no_recent_changes() -> None:
    async def scene(world: World) -> None:
        world.publish(90)
        reader = world.reader()
        await world.until(lambda: bool(reader.named("here")))
        world.publish(1)
        await world.until(partial(has, reader, 1))
        assert reader.named("change")[0]["key"] == "91"

    play(scene, recent=2_000)


def test_too_many_missed_changes_are_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_RECORDS", 300)

    async def scene(world: World) -> None:
        world.publish(400)
        reader = world.reader(start(world))
        await world.until(lambda: bool(reader.named("gap")))
        why = "There are too many missed changes to send all of them."
        assert reader.named("gap") == [{"why": why, "missing": 400}]
        world.publish(3)
        await world.until(lambda: len(reader.places) == 3)

    play(scene)


def test_compacted_records_are_counted_in_a_gap() -> None:
    async def scene(world: World) -> None:
        world.publish(90)
        log = len(world.broker.logs[TopicPartition(TOPIC, 1)])
        world.first[1] = log - 5
        reader = world.reader(start(world))
        await world.until(lambda: len(reader.places) == 90 - (log - 5))
        why = "Kafka has removed them and keeps only the latest change of each row."
        assert reader.named("gap") == [{"why": why, "missing": log - 5}]

    play(scene)


def test_a_position_of_another_topic_is_a_gap() -> None:
    async def scene(world: World) -> None:
        reader = world.reader("00000000.1.1.1")
        await world.until(lambda: bool(reader.named("gap")))
        why = "The Kafka topic was deleted and created again."
        assert reader.named("gap") == [{"why": why, "missing": None}]
        world.publish(3)
        await world.until(lambda: len(reader.places) == 3)

    play(scene)


def test_a_position_ahead_of_this_process_is_waited_for() -> None:
    async def scene(world: World) -> None:
        ahead = FeedPosition(start(world).tag, (2, 2, 2))
        reader = world.reader(ahead)
        await world.until(lambda: bool(reader.named("state")))
        world.publish(30)
        # All changes except the first two of each partition.
        await world.until(lambda: len(reader.places) == 24)
        assert min(offset for _, offset in reader.places) == 2
        assert not reader.named("gap")

    play(scene)


def test_a_position_that_is_never_reached_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_PATIENCE_SECONDS", 0.0)

    async def scene(world: World) -> None:
        reader = world.reader(FeedPosition(start(world).tag, (200, 2, 2)))
        await world.until(lambda: bool(reader.named("gap")))
        why = "Kafka has lost the newest changes of the topic."
        assert reader.named("gap") == [{"why": why, "missing": None}]
        world.publish(3)
        await world.until(lambda: len(reader.places) == 3)

    play(scene)


def test_a_filter_applies_to_past_and_new_changes() -> None:
    async def scene(world: World) -> None:
        world.publish(50)
        reader = world.reader(start(world), Filter(key="7"))
        await world.until(lambda: bool(reader.places))
        world.publish(1)
        other = world.reader(wanted=Filter(key=str(world.made + 1)))
        await world.until(lambda: bool(other.named("here")))
        world.publish(1)
        await world.until(lambda: len(other.places) == 1)
        assert [data["key"] for data in reader.named("change")] == ["7"]

    play(scene)


def test_a_slow_reader_gets_every_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "LONGEST_CHUNK", 2_000)

    async def scene(world: World) -> None:
        quick = world.reader()
        await world.until(lambda: bool(quick.named("here")))
        reader = Reader(world.hub, world.catch_up, Audience.OPERATORS, Filter(), start(world))
        slow = Frames()
        async with aclosing(reader.stream(allowed)) as parts:
            for round_ in range(100):
                if round_ < 8:
                    world.publish(100)
                    await world.until(lambda: len(quick.places) == world.made)
                part = await anext(parts)
                if round_ < 8:
                    assert len(part) < 200_000
                slow.feed(part)
                if len(slow.places) == world.made:
                    break
        assert_complete(world, slow)
        assert not slow.named("gap")

    play(scene, memory=50)


def test_an_outage_is_reported_and_the_stream_resumes() -> None:
    async def scene(world: World) -> None:
        world.broker.down = True
        reader = world.reader()
        await world.until(lambda: reader.named("state") == [{"kafka": "away"}])
        world.broker.down = False
        await world.until(lambda: bool(reader.named("here")))
        world.publish(5)
        await world.until(lambda: len(reader.places) == 5)
        world.broker.down = True
        await world.until(lambda: reader.named("state")[-1] == {"kafka": "away"})
        world.broker.down = False
        world.publish(5)
        await world.until(lambda: len(reader.places) == 10)
        assert_complete(world, reader)

    play(scene)


def test_a_topic_that_was_created_again_is_read_from_its_start() -> None:
    async def scene(world: World) -> None:
        reader = world.reader()
        await world.until(lambda: bool(reader.named("here")))
        world.publish(40)
        await world.until(lambda: len(reader.places) == 40)
        world.broker.logs.clear()
        world.broker.id = "another"
        world.publish(6)
        await world.until(lambda: len(reader.places) == 46)
        assert len(reader.named("gap")) == 1

    play(scene)


def test_stop_ends_every_stream() -> None:
    async def scene(world: World) -> None:
        readers = [world.reader() for _ in range(3)]
        await world.until(lambda: all(one.named("here") for one in readers))
        world.stop.raised = True
        await asyncio.wait_for(asyncio.gather(*world.running), SECONDS)
        assert not any(one.named("bye") for one in readers)
        assert world.hub.readers == 0

    play(scene)


@pytest.mark.parametrize("answer", [Access.DENIED, Access.UNKNOWN])
def test_a_reader_that_loses_access_is_disconnected(
    monkeypatch: pytest.MonkeyPatch, answer: Access
) -> None:
    monkeypatch.setattr(stream, "CHECK_SECONDS", 1e-6)
    answers = [Access.ALLOWED, Access.ALLOWED]

    async def check() -> Access:
        return answers.pop() if answers else answer

    async def scene(world: World) -> None:
        reader = world.reader(check=check)
        await asyncio.wait_for(asyncio.gather(*world.running), SECONDS)
        assert bool(reader.named("bye")) is (answer is Access.DENIED)

    play(scene)


def test_a_quiet_stream_sends_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.0)

    async def scene(world: World) -> None:
        reader = world.reader(wanted=Filter(key="none"))
        await world.until(lambda: bool(reader.named("here")))
        before = reader.last_id
        world.publish(9)
        await world.until(lambda: reader.alive > 0 and reader.last_id != before)
        assert FeedPosition.parse(reader.last_id).offsets == world.tails[0].bounds().end

    play(scene)


def test_a_stream_that_has_no_position_yet_sends_heartbeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise, a proxy would end the stream while Kafka is unreachable."""
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.0)

    async def scene(world: World) -> None:
        world.broker.down = True
        reader = world.reader()
        await world.until(lambda: reader.alive > 1)
        assert reader.named("state") == [{"kafka": "away"}]
        assert reader.last_id == ""

    play(scene)


def test_the_delay_of_a_change_is_reported_once_known() -> None:
    async def scene(world: World) -> None:
        readers = [world.reader(), world.reader(wanted=Filter(key="none"))]
        await world.until(lambda: all(one.named("here") for one in readers))
        world.publish(3)
        await world.until(lambda: len(readers[0].places) == 3)
        world.delays = {Version(1, 2): 0.0174}
        await world.until(lambda: all(one.named("applied") for one in readers))
        changes = readers[0].named("change")
        (place,) = [[c["partition"], c["offset"]] for c in changes if c["key"] == "2"]
        assert readers[1].named("applied") == [{"changes": [[*place, 17]]}]

    play(scene)


def test_a_page_that_was_rendered_before_a_report_gets_it() -> None:
    async def scene(world: World) -> None:
        first = world.reader()
        await world.until(lambda: bool(first.named("here")))
        world.publish(3)
        world.delays = {Version(1, 2): 0.0174}
        await world.until(lambda: bool(first.named("applied")))
        later = world.reader(first.last_id)
        await world.until(lambda: bool(later.named("applied")))
        assert later.named("applied") == first.named("applied")

    play(scene)


def test_the_delay_of_a_change_from_before_the_first_reader_is_reported() -> None:
    """The page was rendered, and the change was published, before the stream began."""

    async def scene(world: World) -> None:
        world.publish(3)
        world.delays = {Version(1, 2): 0.0174}
        reader = world.reader(start(world))
        await world.until(lambda: bool(reader.named("applied")))
        assert len(reader.named("change")) == 3

    play(scene)


def test_changes_from_before_the_first_reader_are_in_time_order_with_all_their_delays() -> None:
    """Kafka returns one partition after the other, so the newest changes are not read last."""

    async def scene(world: World) -> None:
        world.publish(400)
        at = start(world)
        new = FeedBounds.of(MemoryTail(broker=world.broker, topic=TOPIC).bounds()).end
        world.publish(6)
        world.delays = {Version(1, number): 0.02 for number in range(1, 407)}
        everything, page = world.reader(at), world.reader(new)
        await world.until(lambda: len(everything.places) == 406 and len(page.places) == 6)
        await world.until(lambda: reported(page) >= set(page.places))
        for reader in (everything, page):
            times = [change["at"] for change in reader.named("change")]
            assert times == sorted(times)

    play(scene, recent=2_000)


@pytest.mark.parametrize("memory", [4_000, 3])
def test_a_reader_that_was_away_for_long_gets_the_delays_of_what_it_missed(memory: int) -> None:
    """The frames with these delays are no longer kept: a page was hidden for some minutes."""

    async def scene(world: World) -> None:
        first = world.reader()
        await world.until(lambda: bool(first.named("here")))
        at = first.last_id
        world.delays = {Version(1, number): 0.02 for number in range(1, 41)}
        world.publish(40)
        await world.until(lambda: len(reported(first)) == 40)
        world.hub.delays._frames.clear()
        again = world.reader(at)
        await world.until(lambda: len(again.places) == 40)
        await world.until(lambda: reported(again) == set(again.places))

    play(scene, memory)


def reported(frames: Frames) -> set[tuple[int, int]]:
    """Return the partition and offset of each change whose delay was reported."""
    return {
        (partition, offset)
        for frame in frames.named("applied")
        for partition, offset, _ in frame["changes"]
    }


def test_the_tail_ends_after_the_last_reader() -> None:
    async def scene(world: World) -> None:
        reader = world.reader()
        await world.until(lambda: bool(reader.named("here")))
        await world.leave()
        await world.until(lambda: world.hub._follower is None)
        again = world.reader(reader.last_id)
        world.publish(4)
        await world.until(lambda: len(again.places) == 4)
        assert len(world.tails) > 1

    play(scene)


@pytest.mark.parametrize("memory", [4_000, 10])
def test_each_audience_reads_its_own_data_from_memory_and_from_kafka(memory: int) -> None:
    async def scene(world: World) -> None:
        live = [world.reader(audience=each) for each in Audience]
        await world.until(lambda: all(one.named("here") for one in live))
        for number in range(40):
            event = update(number, number + 1, user={"name": "Secret Person"})
            world.broker.publish([outgoing(event, TOPIC)], lambda: True)
        late = [world.reader(start(world), audience=each) for each in Audience]
        await world.until(lambda: all(has(one, 40) for one in (*live, *late)))
        for operator, overseer in (live, late):
            seen = repr(overseer.events)
            assert not any(name in seen for name in ("Secret", "who"))
            assert [each["who"] for each in operator.named("change")] == ["7"] * 40
            assert repr(operator.events).count("Secret Person") == 40

    play(scene, memory=memory)


def test_losses_are_reported_only_while_catching_up() -> None:
    async def scene(world: World) -> None:
        world.publish(60)
        source = TopicPartition(TOPIC, 1)
        log = len(world.broker.logs[source])
        removed = {(1, offset) for offset in range(3, log, 2)}
        removed_tail = partial(
            Compacted, broker=world.broker, topic=TOPIC, first=world.first, removed=removed
        )
        world.hub.open_tail = removed_tail
        follower = world.reader()
        await world.until(lambda: bool(follower.named("here")))
        reader = world.reader(start(world))
        await world.until(lambda: has(reader, 60 - len(removed)))
        world.publish(6)
        await world.until(lambda: has(reader, 66 - len(removed)) and has(follower, 6))
        assert sum(gap["missing"] for gap in reader.named("gap")) == len(removed)
        assert not follower.named("gap")

    play(scene, memory=10)


@pytest.mark.parametrize("answer", [Access.DENIED, Access.UNKNOWN])
def test_a_reader_that_lost_access_gets_no_further_part(
    monkeypatch: pytest.MonkeyPatch, answer: Access
) -> None:
    """Access is also checked while the reader catches up, and when there are no changes."""
    monkeypatch.setattr(stream, "CHECK_SECONDS", 1e-6)
    asked: list[Access] = []

    async def check() -> Access:
        asked.append(Access.ALLOWED if len(asked) < 3 else answer)
        return asked[-1]

    async def scene(world: World) -> None:
        world.publish(1_000)
        reader = world.reader(start(world), check=check)
        await asyncio.wait_for(asyncio.gather(*world.running), SECONDS)
        assert asked[3] is answer
        bye = [{"why": "You no longer have access to the feed."}]
        assert reader.named("bye") == (bye if answer is Access.DENIED else [])
        assert len(reader.places) < 1_000

    play(scene, memory=10)


def test_access_is_checked_again_after_each_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(stream, "time", clock)
    answers: list[Access] = []

    async def check() -> Access:
        answers.append(Access.ALLOWED)
        return answers[-1]

    async def scene(world: World) -> None:
        reader = Reader(world.hub, world.catch_up, Audience.OPERATORS, Filter(), None)
        for _ in range(4):
            clock.sleep(stream.CHECK_SECONDS)
            for _ in range(3):
                reader._sent = clock.now
                assert await reader._access(check) is Access.ALLOWED
        assert len(answers) == 4

    play(scene)


@pytest.mark.parametrize("answer", [Access.DENIED, Access.UNKNOWN])
def test_no_answer_but_allowed_is_remembered(
    monkeypatch: pytest.MonkeyPatch, answer: Access
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(stream, "time", clock)

    async def check() -> Access:
        return answer

    async def scene(world: World) -> None:
        reader = Reader(world.hub, world.catch_up, Audience.OPERATORS, Filter(), None)
        clock.sleep(stream.CHECK_SECONDS)
        assert [await reader._access(check) for _ in range(3)] == [answer] * 3

    play(scene)


def in_memory(world: World, places: Sequence[tuple[int, int]], visible: int) -> Ring:
    """Give the hub a ring with these changes. Readers see only the first `visible` changes."""
    ring = Ring(start(world))
    for number, (partition, offset) in enumerate(places):
        ring.add(rendered(change("c", number, number), partition, offset))
    world.hub.ring, world.hub.visible = ring, visible
    return ring


async def news_of(reader: Reader) -> Frames:
    frames = Frames()
    count = 0
    async with aclosing(reader._news()) as parts:
        async for part in parts:
            frames.feed(part)
            count += 1
            assert count < 50, "the same part again and again"
    return frames


def test_a_heartbeat_names_no_position_beyond_what_was_sent() -> None:
    """Otherwise, a reader that reconnects would miss the changes that were not visible yet."""

    async def scene(world: World) -> None:
        places = [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0)]
        ring = in_memory(world, places, 3)
        reader = Reader(world.hub, world.catch_up, Audience.OPERATORS, Filter(), start(world))

        assert (await news_of(reader)).places == places[:3]
        assert reader._at == ring.position_before(3)

        world.hub._tick()
        ring.skip(2, 1)  # a tombstone
        assert (await news_of(reader)).places == places[3:]
        assert reader._at == ring.end

    play(scene)


def test_a_position_between_those_of_memory_is_left_in_several_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "LONGEST_CHUNK", 1)

    async def scene(world: World) -> None:
        in_memory(world, [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0)], 5)
        between = FeedPosition(start(world).tag, (0, 1, 0))
        reader = Reader(world.hub, world.catch_up, Audience.OPERATORS, Filter(), between)

        frames = await news_of(reader)

        assert frames.places == [(0, 0), (0, 1), (1, 1), (2, 0)]
        assert FeedPosition.parse(frames.last_id).offsets == (2, 2, 1)

    play(scene)


def test_the_patience_with_a_position_ahead_ends_when_kafka_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise, the next position that is ahead of this process would count as lost at once."""

    async def scene(world: World) -> None:
        in_memory(world, [], 0)
        ahead = FeedPosition(start(world).tag, (1, 1, 1))
        reader = Reader(world.hub, world.catch_up, Audience.OPERATORS, Filter(), ahead)
        assert not (await news_of(reader)).named("gap")
        world.publish(30)
        world.hub.ring = Ring(FeedPosition(ahead.tag, (3, 3, 3)))
        assert len((await news_of(reader)).places) == 6

        monkeypatch.setattr(stream, "_PATIENCE_SECONDS", 0.0)
        in_memory(world, [], 0)
        assert not (await news_of(reader)).named("gap")

    play(scene)
