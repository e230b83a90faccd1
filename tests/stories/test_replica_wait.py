"""The limit on requests that wait for the replica."""

import pytest

from stories import replica_wait
from stories.models import Story


def test_the_number_of_waiting_requests_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(replica_wait.MAX_WAITING):
        assert replica_wait._slots.acquire(blocking=False)
    try:
        replicated, message = replica_wait.wait_for_replica(Story())
    finally:
        for _ in range(replica_wait.MAX_WAITING):
            replica_wait._slots.release()
    assert not replicated
    assert "did not wait" in message
