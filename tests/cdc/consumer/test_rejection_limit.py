"""The consumer stops when too many of the last messages are dead letters."""

import pytest

from cdc.consumer.rejection_limit import RejectionLimit
from cdc.errors import Fatal


def test_the_first_letter_above_the_limit_stops() -> None:
    limit = RejectionLimit(maximum=3, window=10)
    for _ in range(3):
        limit.rejected()

    with pytest.raises(Fatal, match="4 of the last 4 messages became dead letters, more than 3"):
        limit.rejected()


def test_letters_outside_the_window_do_not_count() -> None:
    limit = RejectionLimit(maximum=1, window=10)

    for _ in range(20):
        limit.rejected()
        limit.applied(9)


def test_the_limit_holds_long_after_the_start() -> None:
    limit = RejectionLimit(maximum=1, window=10)
    limit.applied(1_000_000)
    limit.rejected()
    limit.applied(8)

    with pytest.raises(Fatal, match="2 of the last 10"):
        limit.rejected()


def test_a_letter_leaves_the_window_after_as_many_messages() -> None:
    limit = RejectionLimit(maximum=1, window=10)
    limit.rejected()
    limit.applied(9)
    limit.rejected()
    limit.applied(8)

    with pytest.raises(Fatal) as caught:
        limit.rejected()
    assert str(caught.value).startswith(
        "2 of the last 10 messages became dead letters, more than 1. The consumer stops before"
    )


def test_by_default_a_hundred_of_the_last_thousand_are_accepted() -> None:
    limit = RejectionLimit()
    for _ in range(100):
        limit.rejected()
    limit.applied(899)

    with pytest.raises(Fatal, match="101 of the last 1000 messages"):
        limit.rejected()
