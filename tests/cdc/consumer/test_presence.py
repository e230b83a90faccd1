"""Of two consumers with one instance name, the younger stops. A dead process frees its name."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cdc.conf import CdcSettings
from cdc.consumer.presence import SILENT_SECONDS, Presence, ended, this_process
from cdc.errors import Misconfigured
from cdc.mongo.instances import Instances, Process
from cdc.runtime.clock import SystemClock
from cdc.testing.twins import FakeClock
from tests.support.mongodb import connected

US = this_process()


def finished() -> int:
    """Return the id of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


class ImpatientClock(SystemClock):
    """A clock that fails the test if anything waits."""

    def sleep(self, seconds: float) -> None:
        raise AssertionError("it waited")


@pytest.fixture
def instances(feed_settings: CdcSettings) -> Iterator[Instances]:
    client = connected(feed_settings)
    yield Instances(client, feed_settings, "one")
    client.drop_database(feed_settings.mongodb_database)
    client.close()


@pytest.fixture
def long_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process wait for another's next heartbeat, even if that is late."""
    monkeypatch.setattr("cdc.consumer.presence.SILENT_SECONDS", 60.0)
    monkeypatch.setattr("cdc.consumer.presence._TWIN_SECONDS", 60.0)


def presence(instances: Instances, clock: SystemClock | None = None, **other: object) -> Presence:
    """Return the presence of a process on another machine, with changes in `other`."""
    found = Presence(instances, "one", clock or SystemClock())
    changes = {"host": "elsewhere", **other}
    found.process = replace(found.process, **changes)  # type: ignore[arg-type]
    return found


def test_a_process_that_has_ended_is_known() -> None:
    assert ended(replace(US, pid=finished()), seen_by=US)
    assert ended(replace(US, token="before"), seen_by=US)
    # Not the start time of this process, because the parent may have started in the same tick.
    parent = replace(US, pid=os.getppid(), started="1")
    assert ended(parent, seen_by=US), "its id is used again: it started at another time"


@pytest.mark.parametrize(
    "other",
    [
        replace(US, host="elsewhere"),
        replace(US, host="elsewhere", pid=finished()),
        replace(US, pid=finished(), machine="another container of this host"),
        replace(US, token="other", machine="another container of this host"),
    ],
)
def test_a_process_that_cannot_be_seen_may_be_alive(other: Process) -> None:
    assert not ended(other, seen_by=US)


def test_a_running_process_is_not_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        code = f"from cdc.consumer import presence; print(presence._start_time({child.pid}))"
        started = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        other = replace(US, pid=child.pid, started=started)
        assert not ended(other, seen_by=US)
        assert child.stdin is not None
        child.stdin.close()


@pytest.mark.services
def test_the_first_process_takes_the_name_at_once(instances: Instances) -> None:
    first = presence(instances, ImpatientClock())
    first.claim()

    found = instances.read()
    assert found is not None
    assert found.process == first.process


@pytest.mark.services
@pytest.mark.usefixtures("long_silence")
def test_the_younger_of_two_gives_way(instances: Instances) -> None:
    older, younger = presence(instances), presence(instances, host="a-third")
    older.claim()
    with older.beating():
        message = r"Process \d+ on elsewhere already uses the instance name 'one'"
        with pytest.raises(Misconfigured, match=message):
            younger.claim()

    assert instances.read() is None


@pytest.mark.services
def test_a_released_name_is_free_at_once(instances: Instances) -> None:
    first = presence(instances)
    first.claim()
    with first.beating():
        pass

    presence(instances, ImpatientClock(), host="a-third").claim()


@pytest.mark.services
def test_a_crashed_process_of_this_machine_is_replaced_at_once(instances: Instances) -> None:
    presence(instances, host=US.host, pid=finished()).claim()

    presence(instances, ImpatientClock(), host=US.host).claim()


@pytest.mark.services
def test_a_process_that_fell_silent_elsewhere_is_replaced_after_a_moment(
    instances: Instances,
) -> None:
    silent, second = presence(instances), presence(instances, host="a-third")
    began = time.monotonic()
    silent.claim()

    second.claim()

    assert time.monotonic() - began > SILENT_SECONDS / 2
    instances.beat(silent.process)  # The silent process wakes up, but does not get its name back.
    found = instances.read()
    assert found is not None
    assert found.process == second.process


@pytest.mark.services
def test_of_two_that_wait_for_a_silent_one_only_one_takes_the_name(instances: Instances) -> None:
    presence(instances).claim()
    last = instances.read()
    assert last is not None

    taken = [instances.take(presence(instances, pid=number).process, last) for number in (1, 2)]

    assert taken == [True, False]


@pytest.mark.services
def test_an_unexpected_error_does_not_silence_a_living_process(
    instances: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process without heartbeats would lose its name to another process."""
    errors = [KeyError("a"), RuntimeError("b"), ValueError("c")]
    beaten = threading.Event()
    beat = Instances.beat

    def unsteady(these: Instances, process: Process) -> None:
        if errors:
            raise errors.pop()
        beat(these, process)
        beaten.set()

    monkeypatch.setattr(Instances, "beat", unsteady)
    older = presence(instances)
    older.claim()
    first = instances.read()
    with older.beating():
        assert beaten.wait(60)
        last = instances.read()
    assert first is not None
    assert last is not None
    assert last.beat > first.beat


@pytest.mark.services
@pytest.mark.usefixtures("long_silence")
def test_two_containers_with_the_network_of_their_host_do_not_replace_each_other(
    instances: Instances,
) -> None:
    """Both have the host name of the machine, and both are process 1 of their container."""
    older = presence(instances, pid=1, machine="one container")
    younger = presence(instances, pid=1, machine="another container")
    older.claim()
    with older.beating(), pytest.raises(Misconfigured, match="already uses the instance name"):
        younger.claim()


@pytest.mark.services
def test_a_restarted_container_waits_for_one_heartbeat_only(instances: Instances) -> None:
    before = presence(instances, pid=1, machine="before")
    before.claim()
    clock = FakeClock()
    after = presence(instances, clock, pid=1, machine="after")  # type: ignore[arg-type]
    began = clock.now

    after.claim()

    assert clock.now - began < SILENT_SECONDS / 2 + 0.2


@pytest.mark.services
def test_the_clock_of_a_new_primary_may_be_behind(
    instances: Instances, feed_settings: CdcSettings
) -> None:
    presence(instances).claim()
    later = datetime.now(tz=UTC) + timedelta(minutes=10)
    instances._documents.update_one({}, {"$set": {"at": later}})

    found = instances.read()
    assert found is not None
    assert found.seconds_ago == 0.0
