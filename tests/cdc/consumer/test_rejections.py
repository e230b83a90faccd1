"""The limit of dead letters: a number among the last messages."""

import pytest

from cdc.consumer.rejections import RejectionLimit
from cdc.errors import Fatal


def test_the_first_over_the_number_stops() -> None:
    limit = RejectionLimit(most=3, among=10)
    for _ in range(3):
        limit.rejected()

    with pytest.raises(Fatal, match="4 of the last 4 messages became dead letters, more than 3"):
        limit.rejected()


def test_old_ones_are_forgotten() -> None:
    limit = RejectionLimit(most=1, among=10)

    for _ in range(20):
        limit.rejected()
        limit.applied(9)


def test_a_share_over_the_limit_stops_whenever_it_comes() -> None:
    limit = RejectionLimit(most=1, among=10)
    limit.applied(1_000_000)
    limit.rejected()
    limit.applied(8)

    with pytest.raises(Fatal, match="2 of the last 10"):
        limit.rejected()
