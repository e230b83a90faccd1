"""How `up` starts the feed, with a supervisor that has no children."""

from pathlib import Path

import pytest
from django.conf import settings

from cdc.commands import Stop
from cdc.conf import CdcSettings
from cdc.errors import Retryable
from project.up import embedded as module
from project.up.console import Console
from project.up.embedded import Embedded, UpOptions
from project.up.home_folder import HomeFolder


@pytest.fixture
def embedded(tmp_path: Path) -> Embedded:
    options = UpOptions(host="127.0.0.1", port=None, traffic=None, demo=False)
    return Embedded(HomeFolder(tmp_path), options, Stop(), Console())


def test_a_broker_that_does_not_respond_at_first_is_asked_again(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter(range(2))

    def ensure(_: CdcSettings) -> list[str]:
        for _attempt in left:
            raise Retryable("Kafka could not create the topic")
        return ["story-events"]

    monkeypatch.setattr(module, "ensure_topics", ensure)

    assert embedded._ensure_topics(settings.CDC) == ["story-events"]


def test_a_broker_that_never_responds_is_an_error(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ensure(_: CdcSettings) -> list[str]:
        raise Retryable("Kafka could not create the topic")

    monkeypatch.setattr(module, "ensure_topics", ensure)
    monkeypatch.setattr(module, "_TOPICS_SECONDS", 0.1)

    with pytest.raises(Retryable, match="could not create"):
        embedded._ensure_topics(settings.CDC)
