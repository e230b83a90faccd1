"""Rows with keys of any type can be sent again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction

from cdc.capture.resend import send_again, send_rows, send_state, through_locks
from cdc.context import acting_as
from cdc.errors import Refused, Retryable
from cdc.models import OutboxRecord
from cdc.outbox import table as outbox
from cdc.outbox.table import Entry
from cdc.registry import registry
from stories.models import Story
from tests.cdc.capture.events import Event, events, records
from tests.cdc.capture.world import story
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


def test_rows_are_not_sent_inside_a_transaction() -> None:
    """The locks on the rows would last until the end of the outer transaction."""
    capture = registry.find(Ticket)
    assert capture is not None
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        send_state(capture, [CODE], using="default")

    assert events() == []


def test_rows_are_sent_in_the_order_of_their_keys_and_once() -> None:
    Label.objects.bulk_create([Label(text=text, size=5) for text in "bda"])
    OutboxRecord.objects.all().delete()
    capture = registry.find(Label)
    assert capture is not None

    send_state(capture, ["d", "c", "a", "d", "b", "e"], using="default")

    rows = [Event("r", None, {"text": text, "size": 5}) for text in "abd"]
    gone = [Event("d", {"text": text}, None) for text in "ce"]
    assert events() == [*rows, *gone]
    assert {(row.topic, row.table) for row in records()} == {(capture.topic, "toy_label")}


def test_the_rows_that_were_sent_are_returned() -> None:
    Label.objects.create(text="a")
    capture = registry.find(Label)
    assert capture is not None
    with transaction.atomic():
        assert send_rows(capture, ["a", "b"], using="default") == {"a": {"text": "a", "size": 1}}

    assert [event.op for event in events()] == ["c", "r"]


def test_a_refused_row_does_not_hold_the_others(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [story(description="x" * letters) for letters in (5, 9_000, 5)]
    Story.objects.bulk_create(rows)
    settings.CDC = replace(settings.CDC, max_event_bytes=8_000)

    assert set(sent_again()) == {("r", rows[0].pk), ("r", rows[2].pk)}

    (line,) = [one for one in caplog.records if "relay.not_sent_again" in one.getMessage()]
    assert line.levelname == "ERROR"
    assert "stories_story" in f"{line.getMessage()}{vars(line)}"
    assert f'The event of stories_story {{"id":{rows[1].pk}}} has' in vars(line)["error"]
    assert "MAX_EVENT_BYTES is 8000" in vars(line)["error"]


class _Waits:
    """A clock that notes how long it was asked to sleep."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.mark.parametrize("failures", [0, 1, 5])
def test_a_deadlock_is_tried_again(failures: int) -> None:
    clock: Any = _Waits()
    calls: list[int] = []

    def send() -> None:
        calls.append(1)
        if len(calls) <= failures:
            raise OperationalError

    through_locks(send, clock, using="default")

    assert (len(calls), len(clock.slept)) == (failures + 1, failures)
    assert all(seconds > 0 for seconds in clock.slept)
    assert sum(clock.slept[:3]) <= sum(clock.slept[-3:])


def test_a_deadlock_that_stays_is_raised_after_six_attempts() -> None:
    clock: Any = _Waits()
    calls: list[int] = []

    def send() -> None:
        calls.append(1)
        raise OperationalError("deadlock")

    with pytest.raises(OperationalError, match="deadlock"):
        through_locks(send, clock, using="default")

    assert (len(calls), len(clock.slept)) == (6, 5)


def test_a_database_that_fails_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    Label.objects.create(text="a")
    waiting = list(OutboxRecord.objects.all())

    def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "toy_label" in sql:
            raise OperationalError("server has gone away")
        return execute(sql, *rest)

    with connection.execute_wrapper(fail), pytest.raises(Retryable, match="has gone away") as error:
        send_again(waiting, using="default")

    assert isinstance(error.value.__cause__, OperationalError)
    assert connection.connection is None
