"""Demo traffic: a steady stream of small changes to demo stories."""

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
from stories.demo_stories import (
    MAX_COUNT,
    MIN_COUNT,
    demo_stories,
    demo_story,
    headline,
    next_number,
)
from stories.models import Status, Story
from stories.validators import LARGEST_COUNT

TRAFFIC_STARTED = "traffic.started"
TRAFFIC_STOPPED = "traffic.stopped"
DATABASE_AWAY = "traffic.database_away"
DATABASE_BACK = "traffic.database_back"
GRACE_SECONDS = 0.7
"""The maximum number of seconds from the signal to the exit, even if the database is unresponsive.
"""
_MAX_WAIT = 0.2
_MAX_CATCH_UP = 1.0
"""The maximum backlog in seconds. After a longer delay, the older changes are skipped."""
_KINDS = {"count": 60, "retitle": 12, "set_status": 12, "create": 8, "delete": 8}

logger = logging.getLogger(__name__)


class DemoTraffic:
    """Makes `rate` changes per second to demo stories, each change in its own transaction."""

    def __init__(self, rate: float, *, clock: Clock, rng: random.Random) -> None:
        self._interval = 1 / rate
        self._clock = clock
        self._rng = rng
        self._due = clock.monotonic()
        self._unavailable = False

    def run_once(self) -> bool:
        """Make a change if one is due, and return whether the next change is already due.

        Raise Retryable if the database is unavailable.
        """
        now = self._clock.monotonic()
        if now < self._due:
            return False
        self._due = max(self._due, now - _MAX_CATCH_UP) + self._interval
        self._change_or_retry()
        if self._unavailable:
            self._unavailable = False
            log(logger, logging.INFO, DATABASE_BACK)
        return self._clock.monotonic() >= self._due

    def pause(self) -> None:
        """Wait until the next change is due, but at most 0.2 s, so that a stop is noticed."""
        wait = self._due - self._clock.monotonic()
        self._clock.sleep(min(max(wait, 0), _MAX_WAIT))

    def report(self, error: Retryable, delay: float) -> None:
        """Log once that the database is unavailable."""
        if not self._unavailable:
            self._unavailable = True
            log(
                logger, logging.WARNING, DATABASE_AWAY, error=str(error), next_try_s=round(delay, 2)
            )

    def _change_or_retry(self) -> None:
        using = router.db_for_write(Story)
        try:
            with transaction.atomic(using=using):
                self._change()
        except IntegrityError:
            # Another process has just created the story with that number: nothing is left to do.
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
        # The row is locked, so that an admin cannot delete the story before it is saved.
        story = Story.objects.select_for_update().filter(pk=self._rng.choice(keys)).first()
        if story is None:
            return
        if kind == "delete":
            story.delete()
        else:
            story.save(update_fields=self._edit(story, kind))

    def _kind(self, count: int) -> str:
        [kind] = self._rng.choices(list(_KINDS), list(_KINDS.values()))
        if count < MIN_COUNT or (kind == "delete" and count == MIN_COUNT):
            return "create"
        if count > MAX_COUNT or (kind == "create" and count == MAX_COUNT):
            return "delete"
        return kind

    def _edit(self, story: Story, kind: str) -> list[str]:
        """Change some attributes and return their names."""
        if kind == "retitle":
            old = story.title
            while story.title == old:
                story.title = headline(self._rng, story.topic.get("name", ""))
            return ["title"]
        if kind == "set_status":
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
    traffic = DemoTraffic(rate, clock=clock, rng=random.Random())  # noqa: S311 -- not for security
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
