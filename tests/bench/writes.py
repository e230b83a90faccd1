"""Measures the cost of capture for the writer: the same saves with and without capture."""

import time

from stories.models import Story
from tests.bench.databases import capturing, use
from tests.bench.results import Results
from tests.bench.stories import marks, new_story

CAPTURED, PLAIN = "captured", "plain"


def measure(database: str, saves: int, found: Results) -> None:
    """Save `saves` new stories and then change them, first without and then with capture.

    No system copies these stories to MongoDB.
    """
    use(database)
    for kind, topic in ((PLAIN, None), (CAPTURED, database)):
        with capturing(topic):
            stories = [new_story() for _ in range(saves)]
            found.add(kind, "writer: a save of a new story, ms", milliseconds_each(stories))
            for story in stories:
                story.diggs = next(marks)
            found.add(kind, "writer: a save of an existing story, ms", milliseconds_each(stories))
        with capturing(None):
            Story.objects.all().delete()


def milliseconds_each(stories: list[Story]) -> float:
    """Save each story, and return the mean duration of a save."""
    began = time.perf_counter()
    for story in stories:
        story.save()
    return (time.perf_counter() - began) * 1000 / len(stories)
