"""Demo traffic: a steady stream of small changes to demo stories, for the feed to carry."""

import logging
import random

from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    router,
    transaction,
)
from django.utils import timezone

from cdc.commands import Clock, Stop, SystemClock, log, run_until_stopped
from cdc.errors import Retryable
from stories.demo_stories import FEWEST, MOST, demo_stories, demo_story, headline, next_number
from stories.models import Status, Story
from stories.validators import LARGEST_COUNT

TRAFFIC_STARTED = "traffic.started"
TRAFFIC_STOPPED = "traffic.stopped"
DATABASE_AWAY = "traffic.database_away"
DATABASE_BACK = "traffic.database_back"
GRACE_SECONDS = 0.7
"""From the signal to the end, whatever the database does."""
_LONGEST_WAIT = 0.2
_MOST_BEHIND = 1.0
"""Seconds that are caught up after a delay; what is older is let go."""
_KINDS = {"count": 60, "retitle": 12, "restate": 12, "create": 8, "delete": 8}

logger = logging.getLogger(__name__)


class DemoTraffic:
    """Makes `rate` changes a second, each its own transaction, to demo stories only."""

    def __init__(self, rate: float, *, clock: Clock, rng: random.Random) -> None:
        self._interval = 1 / rate
        self._clock = clock
        self._rng = rng
        self._due = clock.monotonic()
        self._away = False

    def run_once(self) -> bool:
        """Make the change that is due; return whether the next one is, too. Raises Retryable."""
        now = self._clock.monotonic()
        if now < self._due:
            return False
        self._due = max(self._due, now - _MOST_BEHIND) + self._interval
        self._change_or_retry()
        if self._away:
            self._away = False
            log(logger, logging.INFO, DATABASE_BACK)
        return self._clock.monotonic() >= self._due

    def pause(self) -> None:
        """Wait for the next change, but not longer than a stop may wait."""
        wait = self._due - self._clock.monotonic()
        self._clock.sleep(min(max(wait, 0), _LONGEST_WAIT))

    def report(self, error: Retryable, delay: float) -> None:
        """Say once that the database is away."""
        if not self._away:
            self._away = True
            log(
                logger, logging.WARNING, DATABASE_AWAY, error=str(error), next_try_s=round(delay, 2)
            )

    def _change_or_retry(self) -> None:
        using = router.db_for_write(Story)
        try:
            with transaction.atomic(using=using):
                self._change()
        except IntegrityError:
            # Another process has just made the story of that number: its change counts.
            return
        except (OperationalError, InterfaceError) as error:
            connections[using].close_if_unusable_or_obsolete()
            raise Retryable(str(error)) from error

    def _change(self) -> None:
        keys = list(demo_stories().order_by("pk").values_list("pk", flat=True))
        kind = self._kind(len(keys))
        if kind == "create":
            demo_story(next_number(), timezone.now()).save(force_insert=True)
            return
        # Locked, because an admin may delete it meanwhile.
        story = Story.objects.select_for_update().filter(pk=self._rng.choice(keys)).first()
        if story is None:
            return
        if kind == "delete":
            story.delete()
        else:
            story.save(update_fields=self._edit(story, kind))

    def _kind(self, count: int) -> str:
        [kind] = self._rng.choices(list(_KINDS), list(_KINDS.values()))
        if count < FEWEST or (kind == "delete" and count == FEWEST):
            return "create"
        if count > MOST or (kind == "create" and count == MOST):
            return "delete"
        return kind

    def _edit(self, story: Story, kind: str) -> list[str]:
        """Change some columns; return their names."""
        if kind == "retitle":
            old = story.title
            while story.title == old:
                story.title = headline(self._rng, story.topic.get("name", ""))
            return ["title"]
        if kind == "restate":
            story.status = self._rng.choice([s for s in Status if s != story.status])
            popular = story.status == Status.POPULAR
            story.promote_date = timezone.now() if popular else story.promote_date
            return ["status", "promote_date"]
        story.diggs = min(story.diggs + self._rng.randint(1, 20), LARGEST_COUNT)
        story.comments = min(story.comments + self._rng.randint(0, 2), LARGEST_COUNT)
        return ["diggs", "comments"]


def run_traffic(rate: float) -> None:
    """Change demo stories until SIGTERM or SIGINT."""
    clock = SystemClock()
    traffic = DemoTraffic(rate, clock=clock, rng=random.Random())  # noqa: S311 -- plays, guards nothing
    with Stop(GRACE_SECONDS) as stop:
        log(logger, logging.INFO, TRAFFIC_STARTED, rate=rate)
        run_until_stopped(
            traffic.run_once,
            stopped=lambda: stop.requested,
            on_retry=traffic.report,
            pause=traffic.pause,
            clock=clock,
        )
        log(logger, logging.INFO, TRAFFIC_STOPPED)
