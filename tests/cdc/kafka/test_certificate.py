"""A broker that does not respond is distinguished from one that refuses the connection."""

import socket
import threading
from collections.abc import Iterator

import pytest

from cdc.kafka import certificate
from cdc.kafka.certificate import speaks_tls


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def address(server: socket.socket) -> str:
    host, port = server.getsockname()
    return f"{host}:{port}"


def test_a_silent_broker_does_not_speak_tls_nor_close_connections(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "_SECONDS", 0.1)
    assert speaks_tls(address(server)) is None


def test_a_broker_that_closes_connections_does_not_speak_tls(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "_SECONDS", 60.0)

    def close_all() -> None:
        for _ in range(2):
            server.accept()[0].close()

    thread = threading.Thread(target=close_all)
    thread.start()
    assert speaks_tls(address(server)) is False
    thread.join(60)


def test_a_broker_that_is_stopped_does_not_speak_tls(server: socket.socket) -> None:
    stopped = address(server)
    server.close()
    assert speaks_tls(stopped) is None
