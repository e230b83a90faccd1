"""A reconciliation that began after a discard has compared the row."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from cdc.models import DeadLetter, DeadLetterStatus, ReconcileRun
from cdc.status.unverified import discarded
from tests.support.letters import letter

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
DISCARDED = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "seconds", "verified"),
    [(-1, 10, False), (1, 90, False), (1, 30, True), (60, 30, True)],
)
def test_it_is_cleared_by_a_reconciliation_that_began_later(
    minutes: int, seconds: float, *, verified: bool
) -> None:
    letter()
    DeadLetter.objects.update(
        status=DeadLetterStatus.DISCARDED, may_differ=True, resolved_at=DISCARDED
    )
    assert discarded().startswith("The documents of 1 row whose dead letters were discarded may")

    ReconcileRun.objects.create(
        finished_at=DISCARDED + timedelta(minutes=minutes),
        equal=True,
        result=json.dumps({"seconds": seconds, "verdict": ""}),
    )

    assert (discarded() == "") is verified


def test_a_row_with_several_letters_counts_once() -> None:
    for key in (b'{"id":1}', b'{"id":1}', b'{"id":2}'):
        letter(key)
    DeadLetter.objects.update(may_differ=True, resolved_at=DISCARDED)

    assert discarded().startswith("The documents of 2 rows ")
