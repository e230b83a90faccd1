"""The settings of consumers that no test restarts."""

from dataclasses import replace

import pytest

from cdc.conf import CdcSettings
from tests.support.feed_settings import LONG_SESSION


@pytest.fixture
def long_session(feed_settings: CdcSettings) -> CdcSettings:
    """Return `feed_settings` with long sessions of consumers."""
    return replace(feed_settings, kafka_config=LONG_SESSION)
