"""Cells of tables: what a page shows, and what a CSV file contains."""

from dataclasses import dataclass, replace
from datetime import date

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
_MINUTES_OF_HOUR, _MINUTES_OF_DAY = 60, 24 * 60
_GOOD, _BAD, SAME = "sf-up", "sf-down", "sf-same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell. `css` contains classes; a number has the class `sf-number`."""

    text: str
    value: str | int | float
    """The value in a CSV file. Dates are in ISO 8601; an empty string means no value."""
    css: str = ""
    address: str = ""


def text(value: str, address: str = "") -> Cell:
    return Cell(text=value, value=value, address=address)


def number(value: int) -> Cell:
    return Cell(text=f"{value:,}", value=value, css="sf-number")


def day(value: date) -> Cell:
    shown = f"{value.day} {value:%b} {value.year}"
    return Cell(text=shown, value=value.isoformat(), css="sf-date")


def share(part: int, whole: int) -> Cell:
    """Return a share in percent, or a cell without a value if `whole` is 0."""
    if not whole:
        return Cell(text=NONE, value="", css="sf-number")
    percent = round(100 * part / whole, 1)
    return Cell(text=f"{percent:.1f}%", value=percent, css="sf-number")


def change(now: int, before: int) -> Cell:
    """Return the change of a count from `before` to `now`, in percent of `before`.

    A higher count is not better in itself, so the cell has no colour.
    """
    if not before:
        return Cell(text="new" if now else "0%", value="", css="sf-number")
    percent = round(100 * (now - before) / before)
    shown = f"{percent:+,}%".replace("-", MINUS) if percent else "0%"
    return Cell(text=shown, value=percent, css="sf-number")


def secondary(cell: Cell) -> Cell:
    """Return the cell with a class that hides it on narrow screens."""
    return replace(cell, css=f"{cell.css} sf-extra".strip())


def direction(gain: float) -> str:
    """Return the class for the colour of a difference, which is good if `gain` is above 0.

    The text also has a sign or an arrow.
    """
    return _GOOD if gain > 0 else _BAD if gain < 0 else SAME


def duration(minutes: int | None) -> str:
    """Return a number of minutes as text, such as `3 h 20 min`; NONE for None."""
    if minutes is None:
        return NONE
    if minutes < _MINUTES_OF_HOUR:
        return f"{minutes} min"
    if minutes < _MINUTES_OF_DAY:
        hours, rest = divmod(minutes, _MINUTES_OF_HOUR)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, rest = divmod(minutes, _MINUTES_OF_DAY)
    hours = rest // _MINUTES_OF_HOUR
    return f"{days} d {hours} h" if hours else f"{days} d"
