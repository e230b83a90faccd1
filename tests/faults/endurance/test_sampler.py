"""The connections to MongoDB that a soak counts."""

import os
from typing import Any

import pytest
from pymongo import MongoClient

from tests.faults.endurance.sampler import mongodb_connections

pytestmark = pytest.mark.services


def test_the_connections_of_clients_are_counted_but_not_those_of_members() -> None:
    uri = os.environ["MONGODB_URI"]
    with MongoClient[dict[str, Any]](uri) as client:
        client.admin.command("ping")
        before = mongodb_connections(client)
        every = client.admin.command("serverStatus")["connections"]["current"]
        assert 1 <= before <= every
        with MongoClient[dict[str, Any]](uri) as other:
            other.admin.command("ping")
            assert mongodb_connections(client) > before
