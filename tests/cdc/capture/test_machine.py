"""After any sequence of writes, a replay of the outbox results in the table's expected content."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from stories.models import Story
from tests.cdc.capture.events import events, forget, replay
from tests.cdc.capture.world import columns, story, table

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

KEYS = st.integers(1, 6)
NUMBERS = st.integers(0, 3)
MANY = st.lists(KEYS, min_size=1, max_size=4, unique=True)


class Writes(RuleBasedStateMachine):
    """Random writes to a few stories. `expected` is the resulting `diggs` by key."""

    def __init__(self) -> None:
        super().__init__()
        Story.objects.all().delete()
        forget()
        self.expected: dict[int, int] = {}

    @initialize()
    def nothing(self) -> None:
        assert table() == {}

    @rule(key=KEYS, number=NUMBERS)
    def save(self, key: int, number: int) -> None:
        story(pk=key, diggs=number).save()
        self.expected[key] = number

    @rule(key=KEYS, number=NUMBERS)
    def insert(self, key: int, number: int) -> None:
        try:
            with transaction.atomic():
                Story.objects.create(**{**columns(), "pk": key, "diggs": number})
        except IntegrityError:
            assert key in self.expected
        else:
            assert key not in self.expected
            self.expected[key] = number

    @rule(low=NUMBERS, by=NUMBERS)
    def update(self, low: int, by: int) -> None:
        count = Story.objects.filter(diggs__gte=low).update(diggs=F("diggs") + by)
        matching = [key for key, number in self.expected.items() if number >= low]
        self.expected.update({key: self.expected[key] + by for key in matching})
        assert count == len(matching)

    @rule(keys=MANY, number=NUMBERS)
    def bulk_update(self, keys: list[int], number: int) -> None:
        count = Story.objects.bulk_update(
            [story(pk=key, diggs=number) for key in keys], ["diggs"], batch_size=2
        )
        there = self.expected.keys() & keys
        self.expected.update(dict.fromkeys(there, number))
        assert count == len(there)

    @rule(keys=MANY, number=NUMBERS)
    def bulk_create_and_ignore(self, keys: list[int], number: int) -> None:
        rows = [story(pk=key, diggs=number) for key in keys]
        Story.objects.bulk_create(rows, ignore_conflicts=True)
        self.expected = {**dict.fromkeys(keys, number), **self.expected}

    @rule(keys=MANY, number=NUMBERS)
    def bulk_create_and_update(self, keys: list[int], number: int) -> None:
        wanted = connection.features.supports_update_conflicts_with_target
        target: dict[str, Any] = {"unique_fields": ["pk"]} if wanted else {}
        rows = [story(pk=key, diggs=number) for key in keys]
        Story.objects.bulk_create(rows, update_conflicts=True, update_fields=["diggs"], **target)
        self.expected.update(dict.fromkeys(keys, number))

    @rule(key=KEYS, number=NUMBERS)
    def update_or_create(self, key: int, number: int) -> None:
        Story.objects.update_or_create(
            pk=key, defaults={"diggs": number}, create_defaults={**columns(), "diggs": number}
        )
        self.expected[key] = number

    @rule(key=KEYS)
    def delete(self, key: int) -> None:
        count, _ = story(pk=key).delete()
        assert count == (self.expected.pop(key, None) is not None)

    @rule(number=NUMBERS)
    def delete_many(self, number: int) -> None:
        Story.objects.filter(diggs=number).delete()
        self.expected = {key: value for key, value in self.expected.items() if value != number}

    @rule(key=KEYS, to=KEYS)
    def move(self, key: int, to: int) -> None:
        if key in self.expected and to not in self.expected:
            Story.objects.filter(pk=key).update(id=to)
            self.expected[to] = self.expected.pop(key)

    @rule(keys=MANY, number=NUMBERS)
    def undo(self, keys: list[int], number: int) -> None:
        with transaction.atomic():
            for key in keys:
                story(pk=key, diggs=number).save()
            Story.objects.filter(pk__in=keys[1:]).delete()
            transaction.set_rollback(True)

    @invariant()
    def the_replay_is_the_table(self) -> None:
        held = table()
        assert {key: row["diggs"] for key, row in held.items()} == self.expected
        assert replay(events()) == held


def test_any_sequence_of_writes() -> None:
    run_state_machine_as_test(
        Writes,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            suppress_health_check=list(HealthCheck),
        ),
    )
