"""Generates demo stories from consecutive numbers. Their source ids start with `demo-`."""

import random
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from django.db import IntegrityError, router, transaction
from django.db.models import Max, QuerySet

from stories.actions.reasons import COMMON_REASONS
from stories.demo_calendar import moments
from stories.models import Rejection, Status, Story
from users.models import User

INITIAL_COUNT = 1_200
MIN_COUNT, MAX_COUNT = 1_000, 2_000
"""Demo traffic keeps the number of demo stories without an account in this range."""
_PREFIX = "demo-"
_BATCH = 300
_ATTEMPTS = 5
_OF_ONE_PERSON = 12

_SUBJECTS = {
    "World": {
        "Harbours": (
            *("A ferry captain", "The night harbour crew", "An island of forty people"),
            *("A rope maker", "The smallest port"),
        ),
        "Railways": (
            *("A branch line", "The last steam depot", "A sleeper train's cook"),
            *("A station with no name", "The mountain tram"),
        ),
    },
    "Science": {
        "Weather": (
            *("A mountain rain gauge", "A school's weather balloon", "The coastal fog desk"),
            *("A diary of winds", "The oldest barometer"),
        ),
        "Gardens": (
            *("A seed library", "A greenhouse of mosses", "The city's oldest pear tree"),
            *("A roof of beehives", "The night-blooming cactus"),
        ),
    },
    "Technology": {
        "Machines": (
            *("A repair café", "A hand-built clock", "The town's only letterpress"),
            *("A knitting robot", "The last typewriter shop"),
        ),
        "Programming": (
            *("A forty-year-old spreadsheet", "A two-person database", "A bus timetable"),
            *("A chess program", "The library's catalogue"),
        ),
    },
    "Offbeat": {
        "Animals": (
            *("A lighthouse goose", "The museum's cat", "A very punctual heron"),
            *("A retired sheepdog", "The tortoise next door"),
        ),
        "Kitchens": (
            *("A soup that never ends", "A village bread oven", "The pancake record"),
            *("A jam of forty fruits", "The railway canteen"),
        ),
    },
}
_SECTIONS = {topic: section for section, topics in _SUBJECTS.items() for topic in topics}
_TOPICS = {topic: names for topics in _SUBJECTS.values() for topic, names in topics.items()}
_TOPIC_SHARES = (9, 7, 12, 5, 14, 20, 16, 8)
_TURNS = (
    "finds a second life",
    "is moved, stone by stone",
    "surprises its neighbours",
    "gets its first rule book",
    "opens its doors for one night",
    "keeps an old promise",
    "loses an argument with the tide",
    "turns one hundred, quietly",
    "is mapped at last",
    "runs out of paper",
    "waits for the spring",
    "has a birthday party",
    "divides a small town",
    "wins a silver medal",
    "returns after ten years",
    "makes the evening news",
    "teaches patience",
    "crosses the river",
    "inspires a song",
    "moves in with the mayor",
)
_LEADS = (
    "It took three years, two permits and a borrowed crane.",
    "The neighbours had doubts, and then they brought cake.",
    "A visit with a map, a notebook and many cups of tea.",
    "The records in the town hall disagree.",
    "What the people who work there say about it.",
    "An old photograph explains more than the press release.",
    "The plan was simple. The weather was not.",
    "Seven questions, and answers to most of them.",
    "How a small mistake became a tradition.",
    "The numbers, the costs, and what happens next.",
)
_NOTES = {"": 7, " (updated)": 1, " (corrected)": 1, " (with photos)": 1}
"""What the site of a story may add to its title later."""
_SITES = {
    "tidewater-post": 20,
    "northline-weekly": 16,
    "lantern-review": 13,
    "plain-gazette": 11,
    "harbour-radio": 9,
    "slow-science": 8,
    "workbench-notes": 7,
    "evening-ledger": 6,
    "two-rivers-times": 4,
    "attic-archive": 3,
    "small-press-club": 2,
    "the-fog-desk": 1,
}
_PEOPLE = {
    "moss_and_tin": ("Ines Moss", 18),
    "quietferry": ("Tomas Ferrier", 14),
    "oslo_teapot": ("Solveig Aas", 12),
    "grainofsalt": ("Marta Salinas", 10),
    "ninth_lamp": ("Kofi Lampteh", 8),
    "papermill": ("Erik Molnar", 7),
    "tidetable": ("Noor Haddad", 6),
    "brassgear": ("Bea Ottersen", 5),
    "ilovemaps": ("Jun Aoki", 4),
    "late_tram": ("Pavel Cerny", 3),
    "two_herons": ("Leila Amari", 2),
    "first_frost": ("Aino Halla", 1),
}
_MEDIA = {"news": 7, "images": 2, "videos": 2}
_REJECTED = 0.07
_TO_REVIEW = timedelta(days=5)
"""The age up to which a story may still wait for a review."""
TO_BE_POPULAR = timedelta(hours=60)
"""The age up to which a story may still become popular."""


def demo_stories() -> QuerySet[Story]:
    """Return the demo stories."""
    # A range of digits has the same order in every collation, so the database can use the index.
    return Story.objects.filter(source_id__range=(f"{_PREFIX}000000", f"{_PREFIX}999999"))


def without_account() -> QuerySet[Story]:
    """Return the demo stories that no account has submitted. Demo traffic changes only these."""
    return demo_stories().filter(submitted_by=None)


def retitled(rng: random.Random, title: str) -> str:
    """Return a title with a note at its end or, more often, without one."""
    for note in _NOTES:
        title = title.removesuffix(note)
    return title + _weighted(rng, _NOTES)


def demo_story(number: int, now: datetime, submitted: datetime) -> Story:
    """Return the unsaved demo story `number`, as it could be at the time `now`."""
    rng = random.Random(number)  # noqa: S311 -- not for security
    [topic] = rng.choices(list(_TOPICS), _TOPIC_SHARES)
    title = f"{rng.choice(_TOPICS[topic])} {rng.choice(_TURNS)}"
    status, promoted = _fate(rng, submitted, now)
    site = _weighted(rng, _SITES)
    person = _weighted(rng, {name: share for name, (_, share) in _PEOPLE.items()})
    diggs = _diggs(rng, status, now - submitted)
    section, slug = _SECTIONS[topic], _slug(title)
    return Story(
        source_id=f"{_PREFIX}{number:06}",
        title=title,
        href=f"https://town-square.example/{_slug(topic)}/{slug}-{number}",
        link=f"https://{site}.example/{submitted:%Y/%m}/{slug}",
        description=f"{rng.choice(_LEADS)} {rng.choice(list(_PEOPLE.values()))[0]} was there.",
        submit_date=submitted,
        promote_date=promoted,
        comments=int(diggs * rng.uniform(0.02, 0.2)),
        diggs=diggs,
        media=_weighted(rng, _MEDIA),
        status=status,
        container={"name": section, "short_name": _slug(section)},
        topic={"name": topic, "short_name": _slug(topic)},
        user={
            "name": person,
            "fullname": _PEOPLE[person][0],
            "profileviews": rng.randrange(40_000),
        },
        shorturl=[{"short_url": f"https://sf.example/{number:x}", "view_count": number % 500}],
    )


def _fate(rng: random.Random, submitted: datetime, now: datetime) -> tuple[Status, datetime | None]:
    """Return the current status of a story, and the time at which the story became popular."""
    age = now - submitted
    luck, wait = rng.random(), timedelta(minutes=15 + rng.gammavariate(2.2, 190))
    if age < _TO_REVIEW and luck < 1 - age / _TO_REVIEW:
        return Status.SUBMITTED, None
    if rng.random() < _REJECTED:
        return Status.REJECTED, None
    # Over the year, the share of popular stories rises.
    popular = luck < 0.3 + 0.15 * max(1 - age / timedelta(days=365), 0)
    if popular and wait < min(age, TO_BE_POPULAR):
        return Status.POPULAR, submitted + wait
    return Status.UPCOMING, None


def _diggs(rng: random.Random, status: Status, age: timedelta) -> int:
    """Return a number of diggs: a few for most stories, many for some popular ones."""
    if status == Status.SUBMITTED:
        return rng.randrange(1, 6)
    if status == Status.REJECTED:
        return rng.randrange(4)
    most = min(age / timedelta(days=2), 1)
    popular = 60 * rng.paretovariate(1.4) if status == Status.POPULAR else rng.uniform(3, 60)
    return 1 + int(min(popular, 4_000) * (0.2 + 0.8 * most))


def next_number() -> int:
    """Return the next free number: the highest number of any demo story, plus one."""
    highest: str | None = demo_stories().aggregate(highest=Max("source_id"))["highest"]
    return int(highest.removeprefix(_PREFIX)) + 1 if highest else 1


def fill(now: datetime) -> int:
    """If fewer than 1,000 demo stories have no account, create stories until there are 1,200.

    The stories have dates in the year before `now`. Return the number of created stories.
    """
    count = without_account().count()
    if count >= MIN_COUNT:
        return 0
    dates = iter(moments(INITIAL_COUNT - count, now))
    # A batch is one transaction, so that the relay can publish in between.
    while batch := list(islice(dates, _BATCH)):
        _create(batch, now)
    return INITIAL_COUNT - count


def _create(dates: Sequence[datetime], now: datetime) -> None:
    """Create stories with the next free numbers, in one transaction."""
    for attempts_left in reversed(range(_ATTEMPTS)):
        first = next_number()
        stories = [demo_story(first + step, now, date) for step, date in enumerate(dates)]
        try:
            with transaction.atomic(using=router.db_for_write(Story)):
                Story.objects.bulk_create(stories)
        except IntegrityError:  # `demo_traffic` has just taken one of the numbers.
            if not attempts_left:
                raise
        else:
            return


def give_reasons() -> None:
    """Give each rejected demo story without a reason one of the common reasons."""
    without = demo_stories().filter(status=Status.REJECTED, rejection=None)
    Rejection.objects.bulk_create(
        Rejection(story_id=key, reason=demo_reason(key))
        for key in without.values_list("pk", flat=True)
    )


def demo_reason(key: int) -> str:
    """Return a reason for the rejection of the demo story with this primary key."""
    return COMMON_REASONS[key % len(COMMON_REASONS)].text


def give_some_to(person: User) -> int:
    """Make a user the submitter of the newest stories of each status. Return their number."""
    each = _OF_ONE_PERSON // len(Status)
    keys = [
        key
        for status in Status
        for key in demo_stories().filter(status=status).values_list("pk", flat=True)[:each]
    ]
    return Story.objects.filter(pk__in=keys).update(submitted_by=person, user={"name": person.name})


def _weighted(rng: random.Random, shares: dict[str, int]) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
