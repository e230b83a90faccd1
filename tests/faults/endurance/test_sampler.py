"""The connections to MongoDB that a soak counts."""

import os
import socket
import struct
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from tests.faults.endurance.sampler import mongodb_connections

pytestmark = pytest.mark.services
_OP_MSG = 2013
_MEMBER = {"driver": {"name": "NetworkInterfaceTL", "version": "1"}, "os": {"type": "Linux"}}


def greeted_as_a_member(link: socket.socket) -> int:
    """Greet the server as a member of its replica set does; return the id of the connection."""
    body = bson.encode({"hello": 1, "client": _MEMBER, "$db": "admin"})
    # The length, the ids of request and response, the opcode, the flags, and the kind of section.
    link.sendall(struct.pack("<4iIb", 21 + len(body), 1, 0, _OP_MSG, 0, 0) + body)
    with link.makefile("rb") as answer:
        (length,) = struct.unpack("<i", answer.read(4))
        return int(bson.decode(answer.read(length - 4)[17:])["connectionId"])


def test_the_connections_of_clients_are_counted_but_not_those_of_members() -> None:
    """Other tests use the server too, so their connections come and go."""
    uri = os.environ["MONGODB_URI"]
    with MongoClient[dict[str, Any]](uri, maxPoolSize=1) as client:
        ours = client.admin.command("hello")["connectionId"]
        address = client.address
        assert address
        with socket.create_connection(address, timeout=60) as link:
            theirs = greeted_as_a_member(link)
            counted = mongodb_connections(client)
    assert ours in counted
    assert theirs not in counted
