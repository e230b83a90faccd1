"""The style guide: every component of the pages, in both themes."""

from datetime import UTC, datetime

from django.contrib.auth.mixins import UserPassesTestMixin
from django.http import HttpRequest
from django.views.generic import TemplateView

from cdc.operations import Delays, State
from project.charts.columns import Series, column_chart
from project.charts.sparkline import sparkline
from project.dashboard import cells
from project.dashboard.figures import Figure
from project.navigation import Entry, Page
from project.operations.decisions import BulkDiscardView, counted
from project.operations.feed_health import FeedHealth
from project.operations.rates import StageChart
from project.operations.stages import Health, Stage
from project.operations.verdicts import Verdict, verdict_of
from project.pages.feed_state import FeedState
from project.pages.latest import Reading
from stories.models import Status, Story

_DAYS = ("2 Mar", "3 Mar", "4 Mar", "5 Mar")
_TONES = ("good", "info", "warn", "bad", "neutral")
_SPARK = sparkline([0, 3, 4, 2, 12, 5, 3], summary="At most 12 changes per minute")
_THEMES = ("light", "dark")


def _stories(first_id: int) -> tuple[Story, ...]:
    """Return examples of stories, which are not saved."""
    shown = (
        ("A ferry captain keeps an old promise", "harbours", Status.POPULAR, 17, False),
        ("A bus timetable that fits on a stamp", "timetables", Status.SUBMITTED, 1_204, True),
    )
    stories = []
    for number, (title, name, status, diggs, dug) in enumerate(shown, first_id):
        story = Story(pk=number, title=title, status=status, diggs=diggs, comments=3, media="news")
        story.description = "Forty years after the bridge was built, it still crosses once a day."
        story.link = f"https://{name}.example/"
        story.topic, story.user = {"name": name.capitalize()}, {"name": "Ann"}
        story.submit_date = datetime(2026, 11, 28, 9, tzinfo=UTC)
        story.dug = dug  # type: ignore[attr-defined]  # lists add it to each story
        stories.append(story)
    return tuple(stories)


def _verdict(state: State, sentence: str) -> tuple[FeedState, Verdict, FeedHealth]:
    shown = FeedState(
        reading=Reading(value=None, seconds=0.0, problem=""),
        verdict=sentence,
        problems=(),
        state=state,
    )
    return shown, verdict_of(shown), FeedHealth(lag=0.0, rate=1.2, chart=_SPARK)


def _stage(stage: Stage, caption: str) -> tuple[Stage, StageChart]:
    return stage, StageChart(line=_SPARK, caption=caption, most="12")


def _figure(name: str, shown: str, change: str, css: str, before: str) -> Figure:
    values = {"now_value": shown, "before_value": before}
    return Figure(name=name, shown=shown, change=change, css=css, before=before, **values)


def _entry(name: str, icon: str, url_name: str, waiting: int) -> Entry:
    page = Page(name=name, icon=icon, url_name=url_name, shows_failures=bool(waiting))
    return Entry(page=page, url="#main", current=not waiting, waiting=waiting)


class StyleGuide(UserPassesTestMixin, TemplateView):
    """Every component of the pages, in both themes, for staff."""

    request: HttpRequest
    template_name = "styleguide/styleguide.html"
    extra_context = {
        # Each story is shown once, because an ID must be unique on the page.
        "themes": [(theme, _stories(2 * n + 1)) for n, theme in enumerate(_THEMES)],
        "partitions": range(3),
        "statuses": Status.values,
        "verdicts": (
            _verdict(State.HEALTHY, "In sync: 1,204 rows everywhere."),
            _verdict(State.PAUSED, "84 changes queued: resume the consumers on the Pipeline page."),
            _verdict(State.UNREACHABLE, "MongoDB is not responding. 84 changes queued."),
        ),
        "stages": (
            _stage(Stage(name="Relay", health=Health.GOOD, value="1", unit="active"), "sent/min"),
            _stage(Stage(name="Collections", health=Health.BAD, note="not read"), "applied/min"),
        ),
        "discard": {
            "title": f"{BulkDiscardView.verb} {counted(3)}",
            "lead": BulkDiscardView.lead,
            "button": BulkDiscardView.button,
        },
        "rates": {"now": 1.2, "most": 4.0},
        "status": {
            "lags": (),
            "kafka_seconds": 0.0,
            "waiting": 0,
            "dead_letters": 0,
            "delays": Delays(changes=9, p50=0.02, p95=0.04, p99=0.12),
        },
        "canary": Stage(
            name="Canary", health=Health.GOOD, value="23", unit="ms", note="arrived 2 s ago"
        ),
        "figures": (
            _figure("Stories", "1,204", "+12%", cells.SAME, "1,075"),
            _figure("Became popular", "6.1%", "+1.4 points", cells.direction(1.4), "4.7%"),
            _figure("Time to popular", "3 h", "20 min slower", cells.direction(-20), "2 h 40 min"),
        ),
        "entries": (
            _entry("Feed", "activity", "feed", 0),
            _entry("Dead letters", "mail", "dead_letters", 4),
        ),
        "columns": column_chart(
            (Series("Harbours", (3, 5, 2, 6)), Series("Railways", (2, 1, 4, 3))),
            labels=_DAYS,
            titles=_DAYS,
            summary="Up to 9 stories per day",
            before=(4, 4, 5, 6),
        ),
        "colours": (
            *("canvas", "panel", "raised", "sunken", "hover", "hairline", "control"),
            *("text", "muted", "accent", "accent-soft"),
            *(f"{tone}{shade}" for tone in _TONES for shade in ("", "-soft")),
        ),
    }

    def test_func(self) -> bool:
        return self.request.user.is_staff
