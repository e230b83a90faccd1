"""The consumer queries the database's epoch only if an event has a higher epoch than known."""

import pytest

from cdc.consumer.epochs import KnownEpochs
from cdc.errors import Rejected


def test_the_database_is_asked_only_about_a_higher_epoch() -> None:
    answers = iter([2, 5])
    epochs = KnownEpochs(lambda: next(answers))

    for epoch in (2, 1, 2, 5, 3):
        epochs.check(epoch)

    assert next(answers, None) is None


def test_an_epoch_above_the_databases_is_rejected() -> None:
    epochs = KnownEpochs(lambda: 2)
    with pytest.raises(Rejected, match="3"):
        epochs.check(3)
    epochs.check(2)


def test_an_answer_that_is_lower_than_before_lowers_nothing() -> None:
    answers = iter([5, 4])
    epochs = KnownEpochs(lambda: next(answers))
    epochs.check(5)
    with pytest.raises(Rejected):
        epochs.check(6)
    epochs.check(5)
