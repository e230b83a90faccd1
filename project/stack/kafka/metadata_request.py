"""Kafka's Metadata request, by hand, to see whether a broker is up.

Written out because a Kafka client would be slow to make, logs each refused
connection of a broker that is still starting, and retries on a schedule of its own.
"""

import socket
import struct

METADATA_KEY, VERSION, CORRELATION_ID = 3, 1, 1
CLIENT_ID = b"storyfeed"
NO_TOPICS = struct.pack(">i", 0)
ANSWER_SECONDS = 1.0


def broker_answers(host: str, port: int) -> bool:
    """Whether the broker answers and lists at least one live broker of its cluster."""
    try:
        with socket.create_connection((host, port), timeout=ANSWER_SECONDS) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.sendall(_request())
            return _live_brokers(_answer(connection)) > 0
    except OSError:
        return False


def _request() -> bytes:
    header = struct.pack(">hhih", METADATA_KEY, VERSION, CORRELATION_ID, len(CLIENT_ID))
    body = header + CLIENT_ID + NO_TOPICS
    return struct.pack(">i", len(body)) + body


def _answer(connection: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _read(connection, 4))
    return _read(connection, size)


def _read(connection: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes; OSError when the other side closes before."""
    data = b""
    while len(data) < size:
        if not (piece := connection.recv(size - len(data))):
            raise ConnectionError("closed in the middle of an answer")
        data += piece
    return data


def _live_brokers(answer: bytes) -> int:
    """The answer begins with the correlation id and the number of brokers."""
    correlation_id, brokers = struct.unpack(">ii", answer[:8])
    return int(brokers) if correlation_id == CORRELATION_ID else 0
