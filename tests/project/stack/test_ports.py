"""Finding free loopback ports."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from project.stack import ports
from project.stack.errors import StackError
from project.stack.ports import free_port, port_is_free, remembered_or_free
from tests.support.paths import ROOT


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_a_port_in_use_is_not_free(taken: int) -> None:
    assert not port_is_free(taken)


def test_a_free_port_is_free_and_below_the_range_of_outgoing_connections() -> None:
    port = free_port()
    assert port_is_free(port)
    assert port < 32768


def test_ports_in_use_by_the_caller_are_avoided(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(ports, "_claim", lambda _: True)
    monkeypatch.setattr(ports, "FIRST", port)
    monkeypatch.setattr(ports, "LAST", port)
    assert free_port() == port
    with pytest.raises(StackError, match="No free port"):
        free_port({port})


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no abstract sockets")
def test_a_port_is_given_to_one_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    hold = "from project.stack.ports import free_port; print(free_port(), flush=True); input()"
    command = [sys.executable, "-c", hold]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        monkeypatch.setattr(ports, "FIRST", port)
        monkeypatch.setattr(ports, "LAST", port)
        with pytest.raises(StackError, match="No free port"):
            free_port()
        other.kill()
    assert free_port() == port
    with pytest.raises(StackError, match="No free port"):
        free_port()


def test_no_free_port_is_reported(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setattr(ports, "FIRST", taken)
    monkeypatch.setattr(ports, "LAST", taken)
    with pytest.raises(StackError, match="stop some servers"):
        free_port()


def test_the_remembered_port_is_kept_while_it_is_free(taken: int) -> None:
    port = free_port()
    assert remembered_or_free(port) == port
    assert remembered_or_free(port, {port}) != port
    assert remembered_or_free(taken) != taken
    assert port_is_free(remembered_or_free(None))
