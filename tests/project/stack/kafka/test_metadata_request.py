"""The hand-written Metadata request, against a socket that answers as told."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from project.stack.kafka.metadata_request import broker_answers
from project.stack.ports import free_port


@contextmanager
def broker(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """Answer one request; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(answer(connection.recv(1000)))

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join()


def metadata(brokers: int, correlation_id: int = 1) -> bytes:
    body = struct.pack(">ii", correlation_id, brokers)
    return struct.pack(">i", len(body)) + body


def test_the_request_is_what_kafka_documents() -> None:
    seen: list[bytes] = []

    def answer(request: bytes) -> bytes:
        seen.append(request)
        return metadata(1)

    with broker(answer) as port:
        assert broker_answers("127.0.0.1", port)
    size, key, version, correlation_id, name = struct.unpack(">ihhih", seen[0][:14])
    assert (size, key, version, correlation_id, name) == (len(seen[0]) - 4, 3, 1, 1, 9)


@pytest.mark.parametrize(
    ("answer", "alive"),
    [
        (metadata(1), True),
        (metadata(0), False),
        (metadata(1, correlation_id=7), False),
        (b"", False),
        (struct.pack(">i", 8) + b"cut", False),
    ],
)
def test_a_broker_answers_when_it_lists_a_live_broker(answer: bytes, alive: bool) -> None:
    with broker(lambda _: answer) as port:
        assert broker_answers("127.0.0.1", port) is alive


def test_nobody_listens() -> None:
    assert not broker_answers("127.0.0.1", free_port())
