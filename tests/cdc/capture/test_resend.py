"""Rows with keys of any type can be sent again."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from cdc.capture.resend import send_again, send_state
from cdc.context import acting_as
from cdc.errors import Refused
from cdc.models import OutboxRecord
from cdc.outbox import table as outbox
from cdc.outbox.table import Entry
from cdc.registry import registry
from tests.cdc.capture.events import events
from tests.support.toy.models import Label, Ticket, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

CODE = UUID("12345678-1234-5678-1234-567812345678")
BY_HAND = Entry(
    topic="toy-events",
    key="{}",
    op="u",
    before=None,
    after=None,
    ts_ms=0,
    db="",
    table="toy_ticket",
    user="",
    traceparent="",
)


def sent_again() -> list[tuple[str, object]]:
    """Send all queued rows again. Return the operation and the first column of each event."""
    waiting = list(OutboxRecord.objects.order_by("id"))
    OutboxRecord.objects.all().delete()
    send_again(waiting, using="default")
    return [(event.op, next(iter(event.row.values()))) for event in events()]


def test_an_existing_row_is_sent_for_each_type_of_key() -> None:
    toy = Toy.objects.create(name="bear")
    Label.objects.create(text="ключ")
    Ticket.objects.create(code=CODE)

    assert sent_again() == [("r", toy.pk), ("r", "ключ"), ("r", str(CODE))]


def test_a_deleted_row_is_sent_as_a_delete() -> None:
    Ticket.objects.create(code=CODE).delete()

    assert sent_again() == [("d", str(CODE))]


def test_a_key_that_no_row_can_have_is_skipped() -> None:
    keys = ("{}", "?", '{"code":"no code"}', '{"code":7}')
    odd = [replace(BY_HAND, key=key) for key in keys]
    outbox.add([*odd, replace(BY_HAND, key='{"id":1}', table="users_user")], using="default")

    assert sent_again() == []


def test_the_limit_holds_for_what_is_sent_again(settings: Any) -> None:
    capture = registry.find(Ticket)
    assert capture is not None
    settings.CDC = replace(settings.CDC, max_event_bytes=1_000)

    with acting_as("\x01" * 255), pytest.raises(Refused, match="MAX_EVENT_BYTES is 1000"):
        send_state(capture, [CODE], using="default")

    assert events() == []
