"""`MAX_EVENT_BYTES`: a row that can be created can be changed, and each row can be deleted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Value
from django.db.models.functions import Concat

from cdc.capture.resend import send_again
from cdc.errors import Refused
from cdc.models import OutboxRecord
from cdc.testing.feed import MemoryFeed
from stories.models import Story
from tests.cdc.capture.events import envelope, events, forget, records
from tests.cdc.capture.world import World, story, table
from tests.cdc.wire.test_schema import validate

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
LIMIT = 20_000


@pytest.fixture(autouse=True)
def _limit(settings: Any) -> None:
    settings.CDC = replace(settings.CDC, max_event_bytes=LIMIT)


def large(world: World, letters: int = 18_000) -> Story:
    """Make the first story so large that an event can contain only one of its images."""
    world.a.description = "x" * letters
    world.a.save()
    forget()
    return world.a


@pytest.fixture
def oversize(world: World, settings: Any) -> Story:
    """Return a story that exceeds the limit, because the limit was lowered after the save."""
    settings.CDC = replace(settings.CDC, max_event_bytes=100_000)
    made = large(world, 60_000)
    settings.CDC = replace(settings.CDC, max_event_bytes=LIMIT)
    return made


def _reject(story: Story) -> None:
    story.status = "rejected"
    story.save()


CHANGES: dict[str, Callable[[Story], Any]] = {
    "save": _reject,
    "update": lambda _: Story.objects.update(status="rejected", promote_date=None, diggs=10**9),
    "approve": lambda one: Story.objects.filter(pk=one.pk).update(
        status="popular", promote_date=one.submit_date
    ),
    "shorten": lambda one: Story.objects.filter(pk=one.pk).update(description=""),
    "another long text": lambda one: Story.objects.filter(pk=one.pk).update(
        description="y" * len(one.description)
    ),
    "bulk_update": lambda one: Story.objects.bulk_update([one], ["title", "description"]),
    "delete": lambda one: one.delete(),
    "delete all": lambda _: Story.objects.all().delete(),
    "set null": lambda one: one.submitted_by and one.submitted_by.delete(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_large_row_can_be_changed_and_deleted(world: World, change: str) -> None:
    one = large(world)
    key = one.pk
    CHANGES[change](one)

    _assert_published(key)


@pytest.mark.parametrize("change", CHANGES)
def test_a_row_over_the_limit_can_be_changed_and_deleted(oversize: Story, change: str) -> None:
    key = oversize.pk
    CHANGES[change](oversize)

    _assert_published(key)


def _assert_published(key: int) -> None:
    (event,) = [event for event in events() if event.row["id"] == key]
    assert event.after == table().get(key)
    assert event.before == {"id": key} or len(f"{event.before}{event.after}") < LIMIT
    for record in records():
        validate(envelope(record))
    feed = MemoryFeed()
    feed.run()
    assert OutboxRecord.objects.count() == 0
    assert set(feed.documents("stories_story")) >= table().keys() & {key}


def test_rows_that_fit_keep_the_whole_before_image(world: World) -> None:
    large(world)
    Story.objects.update(diggs=9)

    assert [len(event.before or {}) > 1 for event in events()] == [False, True, True, True]


@pytest.mark.parametrize(
    "write",
    [
        lambda one: Story.objects.filter(pk=one.pk).update(
            description=Concat("description", Value("z"))
        ),
        lambda one: Story.objects.filter(pk=one.pk).update(user={"a": "x" * 1_200}),
        lambda one: Story.objects.filter(pk=one.pk).update(title="t" * 200, shorturl=["x" * 1_200]),
    ],
    ids=["longer", "another column", "two columns"],
)
def test_a_row_over_the_limit_does_not_grow(oversize: Story, write: Any) -> None:
    rows = table()

    with pytest.raises(Refused, match=f"MAX_EVENT_BYTES is {LIMIT}"):
        write(oversize)

    assert (events(), table()) == ([], rows)


def test_what_cannot_be_created_is_refused(world: World) -> None:
    for write in (
        lambda: story(description="x" * LIMIT).save(),
        lambda: Story.objects.bulk_create([story(description="x" * LIMIT)]),
        lambda: Story.objects.filter(diggs=1).update(description="x" * LIMIT),
    ):
        with pytest.raises(Refused, match=f"MAX_EVENT_BYTES is {LIMIT}"):
            write()

    assert (events(), table()) == ([], world.rows)


def test_validation_says_so_before_the_save(world: World) -> None:
    new = story(description="x" * LIMIT)
    with pytest.raises(ValidationError) as refusal:
        new.full_clean()
    (sentence,) = refusal.value.message_dict["description"]
    assert f"MAX_EVENT_BYTES is {LIMIT}: shorten the row by " in sentence

    excess = int(sentence.split("shorten the row by ")[1].split()[0])
    new.description = "x" * (LIMIT - excess)
    new.full_clean()
    new.save()


def test_validation_lets_a_row_over_the_limit_be_corrected(oversize: Story) -> None:
    oversize.status = "rejected"
    oversize.full_clean()
    oversize.description += "x"
    with pytest.raises(ValidationError):
        oversize.full_clean()
    # Django raises ValueError if an error names a field that the form does not have.
    with pytest.raises(ValidationError) as refusal:
        oversize.full_clean(exclude=["description"])
    assert list(refusal.value.message_dict) == ["__all__"]


def test_a_row_over_the_limit_does_not_stop_the_relay(
    oversize: Story, caplog: pytest.LogCaptureFixture
) -> None:
    Story.objects.update(diggs=9)
    waiting = records()
    forget()

    send_again(waiting, using="default")

    assert [event.op for event in events()] == ["r", "r", "r"]
    assert "relay.not_sent_again" in caplog.text
