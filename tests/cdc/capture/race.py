"""Concurrent writers that change the same few stories."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.db.models import F

from stories.models import Story
from tests.cdc.capture.world import columns, story

KEYS = range(1, 21)
_DEADLOCK, _LOCK_WAIT = 1213, 1205


class Undone(Exception):
    """Raised in an atomic block to roll it back."""


class Writer:
    """A thread that executes random writes."""

    def __init__(self, seed: int, writes: "Sequence[Write]") -> None:
        self.writes = writes
        self.chance = random.Random(seed)
        self.outcomes: Counter[str] = Counter()

    def run(self, seconds: float) -> Counter[str]:
        """Write for `seconds`. Return how many times each outcome occurred."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                write = self.chance.choice(self.writes)
                self.outcomes[self.outcome(write)] += 1
        finally:
            connection.close()
        return self.outcomes

    def outcome(self, write: "Write") -> str:
        try:
            write(self)
        except OperationalError as error:
            if error.args[0] not in {_DEADLOCK, _LOCK_WAIT}:
                raise
            return f"{write.__name__}: {'deadlock' if error.args[0] == _DEADLOCK else 'lock wait'}"
        except IntegrityError:
            return f"{write.__name__}: conflict"
        except (Story.DoesNotExist, DatabaseError, Undone) as error:
            # Django raises these errors if another writer has deleted the row.
            if type(error) not in {Story.DoesNotExist, DatabaseError, Undone}:
                raise
            return f"{write.__name__}: gone"
        return write.__name__

    def key(self) -> int:
        return self.chance.choice(KEYS)

    def number(self) -> int:
        return self.chance.randrange(10)

    def save(self, *, force_update: bool = False) -> None:
        one = Story.objects.get(pk=self.key())
        one.title = f"title {self.number()}"
        one.save(force_update=force_update)

    def save_without_insert(self) -> None:
        self.save(force_update=True)

    def save_one_field(self) -> None:
        one = Story.objects.get(pk=self.key())
        one.diggs = F("diggs") + 1
        one.save(update_fields=["diggs"])

    def bulk_update_of_the_filter(self) -> None:
        number = self.number()
        Story.objects.filter(diggs=number).update(diggs=(number + 1) % 10)

    def bulk_update_of_a_range(self) -> None:
        Story.objects.filter(diggs__gte=self.number()).update(diggs=self.number())

    def delete(self) -> None:
        Story.objects.get(pk=self.key()).delete()

    def delete_by_filter(self) -> None:
        Story.objects.filter(diggs=self.number(), pk__gt=self.key()).delete()

    def create_again(self) -> None:
        story(pk=self.key(), diggs=self.number()).save()

    def insert(self) -> None:
        Story.objects.create(**{**columns(), "pk": self.key(), "diggs": self.number()})

    def insert_some(self) -> None:
        keys = sorted(self.chance.sample(KEYS, 3))
        Story.objects.bulk_create(
            [story(pk=key, diggs=self.number()) for key in keys], ignore_conflicts=True
        )

    def upsert(self) -> None:
        Story.objects.update_or_create(
            pk=self.key(), defaults={**columns(), "diggs": self.number()}
        )

    def transaction_of_two(self) -> None:
        low, high = sorted(self.chance.sample(KEYS, 2))
        with transaction.atomic():
            story(pk=low, diggs=self.number()).save()
            Story.objects.filter(pk=high).update(diggs=self.number())
            if self.chance.random() < 0.3:
                raise Undone


Write = Callable[[Writer], None]
WRITES: list[Write] = [
    Writer.save,
    Writer.save_one_field,
    Writer.bulk_update_of_the_filter,
    Writer.bulk_update_of_a_range,
    Writer.delete,
    Writer.delete_by_filter,
    Writer.create_again,
    Writer.create_again,
    Writer.insert,
    Writer.insert_some,
    Writer.upsert,
    Writer.transaction_of_two,
]


WITHOUT_INSERTS: list[Write] = [
    Writer.save_without_insert,
    Writer.save_one_field,
    Writer.bulk_update_of_the_filter,
    Writer.bulk_update_of_a_range,
    Writer.bulk_update_of_a_range,
    Writer.delete,
    Writer.delete_by_filter,
    Writer.delete_by_filter,
]


def race(
    writers: int, seconds: float, writes: Sequence[Write] = WRITES, *, first_seed: int = 0
) -> Counter[str]:
    """Run concurrent writers for `seconds`. Return how many times each outcome occurred."""
    seeds = range(first_seed, first_seed + writers)
    with ThreadPoolExecutor(writers) as pool:
        runs = [pool.submit(Writer(seed, writes).run, seconds) for seed in seeds]
        return sum((run.result() for run in runs), Counter[str]())
