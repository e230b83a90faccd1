"""The periods that a reader can choose, and the days, weeks, months or years in them.

A period ends on the day of the newest story, so that old data sets also fill the page.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from cdc.reports import EARLIEST, Period, Unit

FIELD = "submit_date"
DEFAULT = "30"
MOST_COLUMNS = 120
"""The maximum number of days, weeks, months or years that a chart shows."""
_LONGEST_QUOTE = 20
_DAY = timedelta(days=1)
# The maximum number of days for which a chart has a column for each day, week or month.
_LIMITS = ((92, Unit.DAY), (2 * 366, Unit.WEEK), (9 * 366, Unit.MONTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A period that a reader can choose."""

    name: str
    """The value of the parameter `days`."""
    label: str
    days: int | None
    """None for all stories."""
    last: date | None = None
    """The latest day on which the period may end; None for the newest day."""

    @property
    def query(self) -> str:
        """The parameters of a link to this choice."""
        return f"days={self.name}" + (f"&until={self.last}" if self.last else "")


CHOICES = {
    name: Choice(name=name, label=label, days=days)
    for name, label, days in (
        ("7", "7 days", 7),
        ("30", "30 days", 30),
        ("90", "90 days", 90),
        ("all", "All", None),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The dates of a choice in a data set."""

    first: date
    last: date
    oldest: date
    """The day of the oldest story in the data set."""
    unit: Unit
    columns: tuple[date, ...]
    """The first day of each column of a chart."""
    before: date | None
    """The first day of the previous period. None if there is no such period, because all stories
    are chosen or no story is older than the period."""
    so_far: datetime | None = None
    """The moment of the report if the last day has not ended, else None."""

    @property
    def period(self) -> Period:
        return Period(
            field=FIELD,
            # A query for all stories is faster without a first date.
            since=None if self.first <= self.oldest else _midnight(self.first),
            until=_midnight(self.last) + _DAY,
        )

    @property
    def period_before(self) -> Period | None:
        if self.before is None:
            return None
        # If the last day has not ended, the previous period ends at the same time of day on its own
        # last day.
        missing = _midnight(self.last) + _DAY - self.so_far if self.so_far else timedelta()
        until = _midnight(self.first) - missing
        return Period(field=FIELD, since=_midnight(self.before), until=until)

    @property
    def before_last(self) -> date:
        return self.first - _DAY

    @property
    def shown(self) -> str:
        return days_text(self.first, self.last)

    @property
    def shown_before(self) -> str:
        return days_text(self.before, self.before_last) if self.before else ""

    @property
    def before_is_complete(self) -> bool:
        """Whether the data set begins on or before the first day of the previous period."""
        return self.before is not None and self.oldest <= self.before

    def place(self, day: date) -> int | None:
        """Return the index of the column that begins on `day`, or None."""
        return self.columns.index(day) if day in self.columns else None

    def place_before(self, day: date) -> int | None:
        """Return the index of the column to compare with a `day` of the previous period."""
        return self.place(day + (self.first - self.before)) if self.before else None


def days_text(first: date, last: date) -> str:
    """Return two days as text. If they share the month or the year, it is written once."""
    end = f"{last.day} {last:%b} {last.year}"
    if first == last:
        return end
    month = "" if (first.year, first.month) == (last.year, last.month) else f" {first:%b}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day}{month}{year} \N{EN DASH} {end}"


def choose(name: str | None) -> tuple[Choice, str]:
    """Return the choice with this name, or the default and an error message."""
    if not name:
        return CHOICES[DEFAULT], ""
    if name in CHOICES:
        return CHOICES[name], ""
    names = ", ".join(list(CHOICES)[:-1])
    return CHOICES[DEFAULT], (f"There is no period “{_quoted(name)}”. Choose {names} or all.")


def end_at(choice: Choice, text: str | None) -> tuple[Choice, str]:
    """Return the choice with its last day, and an error message if `text` is not a date."""
    if not text:
        return choice, ""
    try:
        last = date.fromisoformat(text)
    except ValueError:
        return choice, (f"“{_quoted(text)}” is not a date. Use the format 2026-03-31.")
    return Choice(name=choice.name, label=choice.label, days=choice.days, last=last), ""


def end_of(choice: Choice, now: datetime) -> datetime:
    """Return the last moment that a period may include. Stories with later dates are left out."""
    if choice.last is None or choice.last >= now.date():
        return now
    return _midnight(choice.last) + _DAY - timedelta(milliseconds=1)


def span_of(
    choice: Choice, oldest: datetime, newest: datetime, now: datetime | None = None
) -> Span:
    """Return the dates of a choice for stories submitted from `oldest` to `newest`.

    If the last day contains `now`, that day has not ended.
    """
    last = newest.date()
    first = oldest.date() if choice.days is None else _earlier(last, choice.days - 1)
    before = None if choice.days is None else _earlier(first, choice.days)
    unit = _unit((last - first).days + 1)
    return Span(
        first=first,
        last=last,
        oldest=oldest.date(),
        unit=unit,
        columns=tuple(_columns(first, last, unit))[-MOST_COLUMNS:],
        before=before if oldest.date() < first else None,
        so_far=now if now and now.date() == last else None,
    )


def _earlier(day: date, days: int) -> date:
    return max(day - timedelta(days=days), EARLIEST.date())


def _unit(days: int) -> Unit:
    return next((unit for most, unit in _LIMITS if days <= most), Unit.YEAR)


def _columns(first: date, last: date, unit: Unit) -> Iterator[date]:
    """Yield the first day of each unit, from the unit of `first` to the unit of `last`."""
    day = _begin(first, unit)
    while day <= last:
        yield day
        day = next_column(day, unit)


def next_column(day: date, unit: Unit) -> date:
    """Return the first day of the unit after the one that begins on `day`."""
    return _begin(day + timedelta(days=_LENGTHS[unit]), unit)


# A number of days that leads from the first day of a unit into the next unit.
_LENGTHS = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 31, Unit.YEAR: 366}


def _begin(day: date, unit: Unit) -> date:
    """Return the first day of the unit that contains this day."""
    if unit is Unit.WEEK:
        return day - timedelta(days=day.weekday())
    if unit is Unit.MONTH:
        return day.replace(day=1)
    return day.replace(month=1, day=1) if unit is Unit.YEAR else day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _quoted(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
