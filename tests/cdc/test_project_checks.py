"""The system checks of the project's settings."""

from typing import Any

from cdc import checks
from tests.cdc.test_checks import ids


def test_this_project_passes() -> None:
    assert checks.check_time_zones() == []


def test_times_need_zones(settings: Any) -> None:
    settings.USE_TZ = False

    (message,) = found = checks.check_time_zones()

    assert ids(found) == ["cdc.E027"]
    assert message.is_serious()
