"""Only times that Kafka can look up are converted."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cdc.wire.moments import milliseconds

EAST, WEST = timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1), 0),  # noqa: DTZ001 -- a time without a zone is in UTC
        (datetime(1970, 1, 1, 14, tzinfo=EAST), 0),
        (datetime(2026, 3, 16, 20, 36, 41, 500_000, tzinfo=UTC), 1_773_693_401_500),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), 253_402_300_799_000),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=EAST), 253_402_250_399_000),
    ],
)
def test_times_from_1970_to_9999(moment: datetime, expected: int) -> None:
    assert milliseconds(moment) == expected


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, 13, 59, tzinfo=EAST),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=EAST),
        datetime(9999, 12, 31, 23, tzinfo=WEST),
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=WEST),
    ],
)
def test_times_outside(moment: datetime) -> None:
    assert milliseconds(moment) is None
