"""How the rows of a captured model look in the live feed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Declared beside a capture; without any of it the feed shows keys and columns only."""

    title: str = ""
    """The column that names a row for people."""
    theme: str = ""
    """The JSON column whose `name` groups rows, for the filter by topic."""
    page: str = ""
    """The name of the address of a row's own page, which takes the key."""
    personal: frozenset[str] = frozenset()
    """Columns about people: shown to those only who need them."""
