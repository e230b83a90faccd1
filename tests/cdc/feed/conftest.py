"""For all tests of the feed."""

import pytest


@pytest.fixture(autouse=True)
def recent_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a follower on a slow machine, too, begin with the most recent changes."""
    monkeypatch.setattr("cdc.feed.follower._RECENT_SECONDS", 60.0)
