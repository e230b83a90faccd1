"""The notifications to systemd."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cdc.errors import Retryable
from cdc.runtime import service_manager
from cdc.runtime.service_manager import notify_alive, notify_ready, supervised

EXTEND = "EXTEND_TIMEOUT_USEC=60000000"


@pytest.fixture(params=["path", "abstract"])
def received(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], list[str]]]:
    """The notifications so far, each once."""
    monkeypatch.setattr(service_manager, "_last", {})
    address = str(tmp_path / "s") if request.param == "path" else f"\0storyfeed-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        yield lambda: read(manager)


def read(manager: socket.socket) -> list[str]:
    lines = []
    while True:
        try:
            lines.append(manager.recv(100).decode())
        except BlockingIOError:
            return lines


def fail() -> bool:
    raise Retryable("Kafka is unreachable.")


def test_ready_is_sent_once_after_the_first_success(
    received: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_manager, "_INTERVAL", 600)
    with pytest.raises(Retryable):
        supervised(fail)()
    assert received() == [EXTEND]
    run = supervised(lambda: False)
    assert [run(), run()] == [False, False]
    assert received() == ["READY=1"]


def test_a_loop_that_waits_is_alive(
    received: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_manager, "_INTERVAL", 0)
    notify_ready()
    for _ in range(2):
        with pytest.raises(Retryable):
            supervised(fail)()
    assert received() == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]


def test_a_busy_loop_sends_once_per_second(received: Callable[[], list[str]]) -> None:
    for _ in range(10_000):
        notify_alive()
    assert 1 <= len(received()) < 1000


@pytest.mark.parametrize("address", ["", "/nowhere/socket", "@nowhere", "x" * 200])
def test_without_a_manager_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_manager, "_last", {})
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify_ready()
    notify_alive()
