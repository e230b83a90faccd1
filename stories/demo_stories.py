"""Generates demo stories from consecutive numbers. Their source ids start with `demo-`."""

import random
import re
from datetime import datetime, timedelta

from django.db import router, transaction
from django.db.models import Max, QuerySet

from stories.importing.digg_row import story_from
from stories.models import Story

INITIAL_COUNT = 200
MIN_COUNT, MAX_COUNT = 150, 300
"""Demo traffic keeps the number of demo stories in this range."""
_PREFIX = "demo-"
_LAST_DAYS = 30

_SUBJECTS = {
    "World": {
        "Harbours": ("A ferry captain", "The night harbour crew", "An island of forty people"),
        "Railways": ("A branch line", "The last steam depot", "A sleeper train's cook"),
    },
    "Science": {
        "Weather": ("A mountain rain gauge", "A school's weather balloon", "The coastal fog desk"),
        "Gardens": ("A seed library", "A greenhouse of mosses", "The city's oldest pear tree"),
    },
    "Technology": {
        "Machines": ("A repair café", "A hand-built clock", "The town's only letterpress"),
        "Programming": ("A forty-year-old spreadsheet", "A two-person database", "A bus timetable"),
    },
    "Offbeat": {
        "Animals": ("A lighthouse goose", "The museum's cat", "A very punctual heron"),
        "Kitchens": ("A soup that never ends", "A village bread oven", "The pancake record"),
    },
}
_TOPICS = {topic: names for topics in _SUBJECTS.values() for topic, names in topics.items()}
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
)
_PAPERS = ("tidewater-post", "northline-weekly", "lantern-review", "plain-gazette")
_PEOPLE = ("moss_and_tin", "quietferry", "oslo_teapot", "grainofsalt", "ninth_lamp", "papermill")
_MEDIA = ("news", "news", "news", "images", "videos")
_STATUSES = ("submitted", "upcoming", "upcoming", "popular", "popular")


def demo_stories() -> QuerySet[Story]:
    """Return the demo stories. Demo traffic may change only these stories."""
    # A range of digits has the same order in every collation, so the database can use the index.
    return Story.objects.filter(source_id__range=(f"{_PREFIX}000000", f"{_PREFIX}999999"))


def headline(rng: random.Random, topic: str) -> str:
    """Return a random title that fits `topic`, or any title if `topic` is not a demo topic."""
    subjects = _TOPICS.get(topic) or rng.choice(list(_TOPICS.values()))
    return f"{rng.choice(subjects)} {rng.choice(_TURNS)}"


def demo_story(number: int, now: datetime) -> Story:
    """Return the unsaved demo story `number`, submitted in the 30 days before `now`."""
    rng = random.Random(number)  # noqa: S311 -- not for security
    section = rng.choice(list(_SUBJECTS))
    topic = rng.choice(list(_SUBJECTS[section]))
    title = headline(rng, topic)
    submitted = now - timedelta(seconds=rng.randrange(1, _LAST_DAYS * 86_400))
    status = rng.choice(_STATUSES)
    promoted = submitted + timedelta(hours=rng.uniform(1, 30))
    person = rng.choice(_PEOPLE)
    slug = _slug(title)
    row = {
        "id": f"{_PREFIX}{number:06}",
        "title": title,
        "href": f"https://storyfeed.example/{_slug(topic)}/{slug}-{number}",
        "link": f"https://{rng.choice(_PAPERS)}.example/{submitted:%Y/%m}/{slug}",
        "description": f"{title}, and what it took. {rng.choice(_PEOPLE)} was there.",
        "submit_date": submitted.timestamp(),
        "promote_date": min(promoted, now).timestamp() if status == "popular" else None,
        "comments": rng.randrange(80),
        "diggs": rng.randrange(900) if status == "popular" else rng.randrange(60),
        "media": rng.choice(_MEDIA),
        "status": status,
        "container": {"name": section, "short_name": _slug(section)},
        "topic": {"name": topic, "short_name": _slug(topic)},
        "user": {"name": person, "profileviews": rng.randrange(40_000)},
        "shorturl": [{"short_url": f"https://sf.example/{number:x}", "view_count": number % 500}],
    }
    return story_from(row)


def next_number() -> int:
    """Return the highest number of a demo story plus one."""
    highest: str | None = demo_stories().aggregate(highest=Max("source_id"))["highest"]
    return int(highest.removeprefix(_PREFIX)) + 1 if highest else 1


def fill(now: datetime) -> int:
    """If fewer than 150 demo stories exist, create stories until there are 200.

    Return the number of created stories.
    """
    with transaction.atomic(using=router.db_for_write(Story)):
        count = demo_stories().count()
        if count >= MIN_COUNT:
            return 0
        first = next_number()
        made = [demo_story(first + step, now) for step in range(INITIAL_COUNT - count)]
        Story.objects.bulk_create(made)
        return len(made)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
