"""The pages that the navigation offers to a user, and which of them is open."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.urls import reverse

from cdc.models import DeadLetter, DeadLetterStatus
from users.models import User, UserType
from users.roles import feed_audience, may_open

_BADGE_SECONDS = 10
_BADGE_KEY = "navigation.dead_letters"
_SHOWN_ON_PHONES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the navigation."""

    name: str
    icon: str
    url_name: str
    alias: str = ""
    """The name of a second URL that shows the same page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A link of the navigation."""

    page: Page
    url: str
    current: bool
    begins_group: bool
    waiting: int
    """The number of pending decisions on this page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Navigation:
    """The links of one user: all for the rail, and the same links in two parts for phones."""

    entries: tuple[Entry, ...]
    bar: tuple[Entry, ...]
    more: tuple[Entry, ...]

    @property
    def waiting(self) -> int:
        """The number of pending decisions on the pages in `more`."""
        return sum(entry.waiting for entry in self.more)


_HOME = Page(name="Home", icon="house", url_name="customer")
_STORIES = Page(name="Stories", icon="newspaper", url_name="stories")
_PIPELINE = (
    Page(name="Feed", icon="activity", url_name="feed"),
    Page(name="Pipeline", icon="workflow", url_name="operations", alias="technical_worker"),
    Page(name="Dead letters", icon="mail-warning", url_name="dead_letters"),
    Page(name="Jobs", icon="list-checks", url_name="jobs"),
    Page(name="Log", icon="scroll-text", url_name="operator_log"),
)
_DASHBOARD = Page(name="Dashboard", icon="chart-column", url_name="senior_management")
_ADMIN = Page(name="Admin", icon="shield", url_name="admin:index")


def navigation(user: User | AnonymousUser | None, path: str) -> Navigation | None:
    """Return the navigation of a user on the page with this path, or None for anonymous users."""
    if not isinstance(user, User):
        return None
    entries = tuple(_entries(user, path))
    # The bar begins with the home page of the user. `sorted` keeps the order of the other pages.
    ordered = tuple(sorted(entries, key=lambda entry: not _is_home(entry.page, user)))
    return Navigation(
        entries=entries, bar=ordered[:_SHOWN_ON_PHONES], more=ordered[_SHOWN_ON_PHONES:]
    )


def _entries(user: User, path: str) -> Iterator[Entry]:
    groups = [group for group in _groups(user) if group]
    here = _open_page([page for group in groups for page in group], path)
    for group in groups:
        for page in group:
            yield Entry(
                page=page,
                url=reverse(page.url_name),
                current=page is here,
                begins_group=page is group[0] and group is not groups[0],
                waiting=_dead_letters(fresh=page is here) if page.url_name == "dead_letters" else 0,
            )


def _groups(user: User) -> list[tuple[Page, ...]]:
    """Return the pages that a user may open, in groups."""
    home = (_HOME,) if user.user_type == UserType.CUSTOMER else ()
    manages = (_DASHBOARD,) if may_open(user, UserType.SENIOR_MANAGEMENT) else ()
    return [
        (*home, _STORIES),
        _PIPELINE if feed_audience(user) else (),
        (*manages, *((_ADMIN,) if user.is_staff else ())),
    ]


def _is_home(page: Page, user: User) -> bool:
    return user.user_type in {page.url_name, page.alias}


def _open_page(pages: list[Page], path: str) -> Page | None:
    """Return the page whose URL is the longest beginning of the path."""
    urls = {reverse(name): page for page in pages for name in (page.url_name, page.alias) if name}
    matching = [url for url in urls if path.startswith(url)]
    return urls[max(matching, key=len)] if matching else None


def _dead_letters(*, fresh: bool) -> int:
    """Return the number of waiting dead letters, counted at most once in ten seconds.

    On the pages of dead letters, where people decide about them, the number is always fresh.
    """
    waiting = DeadLetter.objects.filter(status=DeadLetterStatus.WAITING)
    if fresh:
        cache.delete(_BADGE_KEY)
    return int(cache.get_or_set(_BADGE_KEY, waiting.count, _BADGE_SECONDS) or 0)
