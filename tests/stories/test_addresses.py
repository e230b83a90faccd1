"""The lock of an address that is being submitted."""

from time import sleep

import pytest

from stories.addresses import alone_with
from stories.models import AddressLock
from tests.stories.actions.test_votes import together


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_many_submissions_of_a_page_take_turns() -> None:
    """With a lock that is a row of the transaction, InnoDB ended some of them as a deadlock."""
    turns: list[int] = []

    def submit() -> None:
        for turn in range(40):
            with alone_with("http://a.example/"):
                turns.append(turn)

    together(*[submit] * 6)
    assert len(turns) == 240
    assert AddressLock.objects.count() == 1


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_only_one_submission_of_a_page_is_in_its_transaction() -> None:
    inside: list[int] = []
    seen: list[int] = []

    def submit() -> None:
        for _ in range(10):
            with alone_with("http://a.example/"):
                inside.append(1)
                seen.append(len(inside))
                sleep(0.001)
                inside.pop()

    together(*[submit] * 4)
    assert seen == [1] * 40
