"""The listening socket of the web server."""

import socket
from contextlib import closing

import pytest

from cdc.errors import Misconfigured
from project.stack.ports import free_port
from project.up import listener


def test_the_requested_port_is_bound() -> None:
    port = free_port()
    with closing(listener.listen("127.0.0.1", port)) as bound:
        assert listener.url(bound) == f"http://127.0.0.1:{port}/"
        with closing(socket.create_connection(("127.0.0.1", port), timeout=60)):
            pass


def test_a_requested_port_in_use_is_refused() -> None:
    port = free_port()
    with (
        closing(listener.listen("127.0.0.1", port)),
        pytest.raises(Misconfigured, match=f"Port {port} on 127.0.0.1 is in use"),
    ):
        listener.listen("127.0.0.1", port)


def test_the_next_free_port_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(listener, "DEFAULT_PORT", port)
    with (
        closing(listener.listen("127.0.0.1", None)) as first,
        closing(listener.listen("127.0.0.1", None)) as second,
    ):
        assert first.getsockname()[1] == port
        assert second.getsockname()[1] > port


def test_a_foreign_address_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"--host 198.51.100.1 --port 8000 cannot be used"):
        listener.listen("198.51.100.1", 8000)


@pytest.mark.parametrize("port", [-1, 0, 65_536, 99_999])
def test_an_invalid_port_is_refused(port: int) -> None:
    with pytest.raises(Misconfigured, match=f"--port is {port}: choose a port from 1 to 65535"):
        listener.listen("127.0.0.1", port)


def test_connections_do_not_delay_small_frames() -> None:
    with closing(listener.listen("127.0.0.1", free_port())) as bound:
        client = socket.create_connection(bound.getsockname(), timeout=60)
        accepted, _ = bound.accept()
        with closing(client), closing(accepted):
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has it")
def test_connections_to_vanished_clients_time_out() -> None:
    with closing(listener.listen("127.0.0.1", free_port())) as bound:
        client = socket.create_connection(bound.getsockname(), timeout=60)
        accepted, _ = bound.accept()
        with closing(client), closing(accepted):
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_the_wildcard_address_is_opened_as_loopback() -> None:
    with closing(listener.listen("0.0.0.0", port := free_port())) as bound:  # noqa: S104
        assert listener.url(bound) == f"http://127.0.0.1:{port}/"
