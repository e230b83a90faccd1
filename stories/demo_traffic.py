"""Demo traffic: a continuous stream of small changes to demo stories without an account."""

import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    router,
    transaction,
)

from cdc.commands import Clock, Stop, SystemClock, log, run_until_stopped
from cdc.errors import Retryable
from stories.bulk.changes import replace_reason
from stories.demo_calendar import rhythm
from stories.demo_stories import (
    MAX_COUNT,
    MIN_COUNT,
    TO_BE_POPULAR,
    demo_reason,
    demo_story,
    next_number,
    retitled,
    without_account,
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
_KINDS = {"count": 66, "retitle": 12, "set_status": 10, "create": 6, "delete": 6}
_DAY = timedelta(days=1)
_FEWEST_OF_A_DAY, _MOST_OF_A_DAY = 8, 16
"""More new stories would make the other days of the year look empty."""
_AVERAGE_PLACE = 80
"""The average position of a changed story in the list of stories, newest first."""
_REJECTED = 0.2
_LONGEST_TITLE = 255

logger = logging.getLogger(__name__)


class DemoTraffic:
    """Makes `rate` changes per second to demo stories, each change in its own transaction.

    The rate is an average: it is lower at night, and rises and falls in waves of 15 minutes.
    """

    def __init__(self, rate: float, *, clock: Clock, rng: random.Random) -> None:
        self._rate = rate
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
        interval = 1 / (self._rate * rhythm(self._now()))
        self._due = max(self._due, now - _MAX_CATCH_UP) + interval
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
        stories = without_account().order_by("-submit_date", "-pk")
        count = stories.count()
        of_today = list(
            stories.filter(submit_date__gt=self._now() - _DAY).values_list("pk", flat=True)
        )
        kind = self._kind(count, len(of_today))
        if kind == "create":
            demo_story(next_number(), self._now(), self._now()).save(force_insert=True)
        elif kind == "delete":
            self._locked(self._rng.choice(of_today), Story.delete)
        elif kind == "delete_oldest":
            self._locked(stories.values_list("pk", flat=True).reverse()[0], Story.delete)
        else:
            place = min(int(self._rng.expovariate(1 / _AVERAGE_PLACE)), count - 1)
            key = stories.values_list("pk", flat=True)[place]
            self._locked(key, lambda story: story.save(update_fields=self._edit(story, kind)))

    def _locked(self, key: int, change: Callable[[Story], object]) -> None:
        # The row is locked, so that an admin cannot delete the story, or give it to an account,
        # before it is saved.
        story = without_account().select_for_update().filter(pk=key).first()
        if story is not None:
            change(story)

    def _kind(self, count: int, of_today: int) -> str:
        [kind] = self._rng.choices(list(_KINDS), list(_KINDS.values()))
        if count < MIN_COUNT:
            return "create"
        if count > MAX_COUNT:
            return "delete_oldest"
        if kind == "create" and (of_today >= _MOST_OF_A_DAY or count == MAX_COUNT):
            kind = "delete"
        if kind == "delete" and (of_today <= _FEWEST_OF_A_DAY or count == MIN_COUNT):
            kind = "count" if count == MAX_COUNT else "create"
        return kind

    def _edit(self, story: Story, kind: str) -> list[str]:
        """Change some attributes and return their names."""
        if kind == "retitle" and self._retitle(story):
            return ["title"]
        if kind == "set_status" and self._review(story):
            return ["status", "promote_date"]
        story.diggs = min(story.diggs + self._rng.randint(1, 3), LARGEST_COUNT)
        story.comments = min(story.comments + self._rng.randint(0, 1), LARGEST_COUNT)
        return ["diggs", "comments"]

    def _retitle(self, story: Story) -> bool:
        """Change the note at the end of a title; return False if the title stays the same."""
        title = retitled(self._rng, story.title)
        if title == story.title or len(title) > _LONGEST_TITLE:
            return False
        story.title = title
        return True

    def _review(self, story: Story) -> bool:
        """Give a story its next status; return False if the story already has its final status."""
        now = self._now()
        if story.status == Status.SUBMITTED:
            rejected = self._rng.random() < _REJECTED
            story.status = Status.REJECTED if rejected else Status.UPCOMING
            replace_reason([story.pk], demo_reason(story.pk) if rejected else "", None)
        elif story.status == Status.UPCOMING and now - story.submit_date < TO_BE_POPULAR:
            story.status, story.promote_date = Status.POPULAR, now
        else:
            return False
        return True

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), UTC)


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
