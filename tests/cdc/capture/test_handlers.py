"""Signal receivers record changes in the outbox."""

import pytest
from django.db import transaction

from cdc.capture.handlers import record, refuse_outside_transaction
from cdc.errors import Refused
from cdc.registry import Capture, registry
from stories.models import Story
from tests.cdc.capture.events import events
from tests.cdc.capture.world import story


def captured() -> Capture:
    found = registry.find(Story)
    assert found is not None
    return found


@pytest.mark.django_db(transaction=True)
def test_nothing_is_recorded_outside_a_transaction() -> None:
    with pytest.raises(Refused, match="A Story is written outside a transaction"):
        refuse_outside_transaction(Story, "default")
    with pytest.raises(Refused):
        record(captured(), [], using="default")
    with transaction.atomic():
        record(captured(), [], using="default")


@pytest.mark.django_db(transaction=True)
def test_an_error_leaves_no_events() -> None:
    with pytest.raises(Refused):
        Story.objects.bulk_create([story(), story(user={"n": 2**63})])
    assert events() == []
