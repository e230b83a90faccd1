"""The rows that the tests of capture change."""

from collections.abc import Iterator

import pytest

from cdc.context import acting_as
from tests.cdc.capture.events import forget
from tests.cdc.capture.world import World


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    """Create four stories and a person, empty the outbox, and make user 7 the actor."""
    with acting_as("7"):
        world = World.made()
        forget()
        yield world
