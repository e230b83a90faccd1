"""The dashboard of Senior Management, and its tables as CSV files."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.generic import TemplateView, View

from project.dashboard.cache import reports
from project.dashboard.charts import chart_of
from project.dashboard.csv_file import chunks
from project.dashboard.figures import figures
from project.dashboard.periods import CHOICES, Choice, choose, end_at
from project.dashboard.report import Report
from project.dashboard.tables import TABLES, table, tables
from project.pages import feed_state
from project.pages.feed_state import FeedState
from project.pages.latest import Reading
from users.models import UserType
from users.roles import RoleRequiredMixin, audience_of

_NO_ANSWER = "MongoDB is not responding."


class Dashboard(RoleRequiredMixin, TemplateView):
    """Stories by day and topic, top lists, and how fast stories become popular.

    The parameter `days` is 7, 30, 90 or all. The period ends with the newest story, or with the
    newest story up to the day `until`. Each figure is compared with that of the previous period.
    """

    role = UserType.SENIOR_MANAGEMENT
    template_name = "pages/dashboard.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        choice, problems = _chosen(self.request)
        wait = reports.begin(choice)
        audience = audience_of(self.request.user)
        state = feed_state.feed.state().visible_to(audience)
        reading = wait()
        (report,) = reading.value or (None,)
        shown = (
            {
                "report": report,
                "figures": figures(report),
                "chart": chart_of(report),
                "tables": tables(report, audience),
            }
            if report
            else {}
        )
        return super().get_context_data(
            **context,
            **shown,
            choice=choice,
            choices=_choices(choice),
            problems=problems,
            reading=reading,
            why=reading.problem if audience.sees_people else "",
            freshness=_freshness(state, report, reading),
        )


class TableFile(RoleRequiredMixin, View):
    """A table of the dashboard as a CSV file in UTF-8. It has the same parameters as the dashboard.

    Text that a spreadsheet would run as a formula is preceded by an apostrophe. A table has
    at most 1,000 rows.
    """

    role = UserType.SENIOR_MANAGEMENT

    def get(self, request: HttpRequest, table_name: str) -> HttpResponseBase:
        if table_name not in TABLES:
            raise Http404
        choice, problems = _chosen(request)
        if problems:
            return _sentence(problems[0], HTTPStatus.BAD_REQUEST)
        reading = reports.begin(choice)()
        if reading.value is None:
            return _sentence(f"{_NO_ANSWER} Try again later.", HTTPStatus.SERVICE_UNAVAILABLE)
        (report,) = reading.value
        found = table(table_name, report, audience_of(request.user))
        name = _file_name(table_name, report)
        return StreamingHttpResponse(
            chunks(found),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


def _file_name(table_name: str, report: Report | None) -> str:
    """Return a file name with the first and the last day of the period."""
    period = f"{report.span.first}-to-{report.span.last}" if report else "empty"
    return f"storyfeed-{table_name}-{period}.csv"


def _chosen(request: HttpRequest) -> tuple[Choice, list[str]]:
    """Return the choice of a request, and an error message for each invalid parameter."""
    choice, wrong_days = choose(request.GET.get("days"))
    choice, wrong_date = end_at(choice, request.GET.get("until"))
    return choice, [problem for problem in (wrong_days, wrong_date) if problem]


def _choices(chosen: Choice) -> list[tuple[Choice, bool]]:
    """Return the choices with the same last day, and whether each of them is chosen."""
    until = chosen.last.isoformat() if chosen.last else None
    return [(end_at(each, until)[0], each.name == chosen.name) for each in CHOICES.values()]


def _sentence(text: str, status: HTTPStatus) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")


def _freshness(
    state: FeedState, report: Report | None, reading: Reading[tuple[Report | None]]
) -> tuple[str, str]:
    """Return the tone for the state of the replica, and a few words or a sentence about it."""
    counted = f"counted {_ago(reading.seconds)} ago"
    if state.state is None:
        unknown = "The state of the replica is not known yet."
        return "neutral", f"{unknown} These figures were {counted}."
    if not state.healthy:
        return "warn", f"The replica may be out of date (figures {counted}): {state.verdict}"
    if report is None or report.changed_at is None:
        return "good", "Up to date"
    age = max((datetime.now(UTC) - report.changed_at).total_seconds() - reading.seconds, 0.0)
    return "good", f"Up to date, newest change {_ago(age)} old"


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
