"""The rows that the tests write to."""

from collections.abc import Iterator

import pytest

from cdc.context import acting_as
from tests.cdc.capture.events import forget
from tests.cdc.capture.world import World


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    """Four stories and a person, with nothing in the outbox, written by user 7."""
    with acting_as("7"):
        world = World.made()
        forget()
        yield world
