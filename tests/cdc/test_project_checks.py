"""The system checks of the project's settings."""

from typing import Any

import pytest

from cdc import checks
from tests.cdc.test_checks import ids

pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")


def test_this_project_passes() -> None:
    assert checks.check_time_zones() == []
    assert checks.check_vendor() == []


def test_times_need_zones(settings: Any) -> None:
    settings.USE_TZ = False

    (message,) = found = checks.check_time_zones()

    assert ids(found) == ["cdc.E027"]
    assert message.is_serious()


@pytest.mark.parametrize(
    ("engine", "options", "found"),
    [
        ("django.db.backends.mysql", {}, []),
        ("django.db.backends.sqlite3", {"transaction_mode": "IMMEDIATE"}, []),
        ("django.db.backends.sqlite3", {"transaction_mode": "exclusive"}, []),
        ("django.db.backends.sqlite3", {}, ["cdc.W013"]),
        ("django.db.backends.sqlite3", {"transaction_mode": None}, ["cdc.W013"]),
        ("django.db.backends.sqlite3", {"transaction_mode": "DEFERRED"}, ["cdc.W013"]),
        ("django.db.backends.postgresql", {}, ["cdc.E028"]),
        ("django.db.backends.oracle", {}, ["cdc.E028"]),
        (None, {}, ["cdc.E028"]),
    ],
)
def test_only_some_databases_can_be_captured(
    settings: Any, engine: str | None, options: dict[str, Any], found: list[str]
) -> None:
    other = {"ENGINE": "django.db.backends.postgresql"}
    default = {"ENGINE": engine, "OPTIONS": options}
    settings.DATABASES = {"other": other, **({"default": default} if engine else {})}

    assert ids(checks.check_vendor()) == found
