"""The message about rows whose dead letters were discarded."""

import pytest

from cdc.models import DeadLetter
from cdc.resync.discarded import discarded_letters, settle_discarded
from cdc.status.unverified import discarded
from tests.support.letters import letter

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_row_with_several_letters_counts_once() -> None:
    for key in (b'{"id":1}', b'{"id":1}', b'{"id":2}'):
        letter(key)
    assert discarded() == ""

    DeadLetter.objects.update(may_differ=True)

    assert discarded().startswith("The documents of 2 rows whose dead letters were discarded may")


def test_only_the_compared_rows_are_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdc.resync.discarded._CHUNK", 2)
    for number in range(4):
        letter(b'{"id":%d}' % number)
    compared = list(DeadLetter.objects.order_by("id").values_list("id", flat=True))[:3]
    DeadLetter.objects.filter(id__in=compared).update(may_differ=True)
    assert discarded_letters(using="default") == compared
    DeadLetter.objects.update(may_differ=True)

    settle_discarded(compared, using="default")

    assert discarded().startswith("The documents of 1 row ")
