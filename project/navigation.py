"""The pages that the navigation offers to a user, and which of them is open."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db.models import Model, QuerySet
from django.urls import reverse

from cdc.models import DeadLetter, DeadLetterStatus
from stories.models import Status, Story
from users.models import User, UserType
from users.roles import feed_audience, may_open

_BADGE_SECONDS = 10
_BADGE_KEY = "navigation.%s"
_SHOWN_ON_PHONES = 4
_MOST_COUNTED = 1_000
"""The largest number that is counted, so that no page reads a long list of rows. A badge shows this
number as 999+."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the navigation."""

    name: str
    icon: str
    url_name: str
    alias: str = ""
    """The name of a second URL that shows the same page."""
    shows_failures: bool = False
    """Whether the rows that wait on this page are failures. Other rows are daily work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A link of the navigation."""

    page: Page
    url: str
    current: bool
    waiting: int
    """The number of pending decisions on this page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The links under one heading of the rail."""

    name: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Navigation:
    """The links of one user: in groups for the rail, and in the same order in a bar on phones."""

    groups: tuple[Group, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(entry for group in self.groups for entry in group.entries)

    @property
    def bar(self) -> tuple[Entry, ...]:
        """The links in the bar. A phone has room for four links, or for three and "More"."""
        entries = self.entries
        return entries if len(entries) <= _SHOWN_ON_PHONES else entries[: _SHOWN_ON_PHONES - 1]

    @property
    def more(self) -> tuple[Entry, ...]:
        """The links in the menu "More" of the bar."""
        return self.entries[len(self.bar) :]

    @property
    def more_is_current(self) -> bool:
        """Whether the open page is one of those in `more`."""
        return any(entry.current for entry in self.more)

    @property
    def waiting(self) -> int:
        """The number of pending decisions on the pages in `more`."""
        return sum(entry.waiting for entry in self.more)

    @property
    def more_shows_failures(self) -> bool:
        """Whether some of the decisions in `more` are about failures."""
        return any(entry.waiting and entry.page.shows_failures for entry in self.more)


_HOME = Page(name="Home", icon="house", url_name="customer")
_STORIES = Page(name="Stories", icon="newspaper", url_name="stories")
_MINE = Page(name="My submissions", icon="square-pen", url_name="my_stories")
_REPLICATION = (
    Page(name="Pipeline", icon="workflow", url_name="operations", alias="technical_worker"),
    Page(name="Feed", icon="activity", url_name="feed"),
    Page(name="Dead letters", icon="mail", url_name="dead_letters", shows_failures=True),
    Page(name="Jobs", icon="list-checks", url_name="jobs"),
    Page(name="Operator log", icon="scroll-text", url_name="operator_log"),
)
_DASHBOARD = Page(name="Dashboard", icon="chart-column", url_name="senior_management")
_ADMIN = Page(name="Admin", icon="shield", url_name="admin:index")


def navigation(user: User | AnonymousUser | None, path: str) -> Navigation | None:
    """Return the navigation of a user on the page with this path, or None for anonymous users."""
    if not isinstance(user, User):
        return None
    pages = {name: group for name, group in _pages(user).items() if group}
    # The group with the home page of the user comes first. `sorted` keeps the order of the others.
    ordered = sorted(pages, key=lambda name: not any(_is_home(page, user) for page in pages[name]))
    here = _open_page([page for group in pages.values() for page in group], path)
    return Navigation(
        groups=tuple(
            Group(name=name, entries=tuple(_entry(page, here, user) for page in pages[name]))
            for name in ordered
        )
    )


def _entry(page: Page, here: Page | None, user: User) -> Entry:
    waiting = _decisions(page, user)
    return Entry(
        page=page,
        url=reverse(page.url_name),
        current=page is here,
        waiting=0 if waiting is None else _count(page, waiting, fresh=page is here),
    )


def _decisions(page: Page, user: User) -> QuerySet[Model] | None:
    """Return the rows that wait for a decision on a page, or None if the page has no badge."""
    if page.url_name == "dead_letters":
        return DeadLetter.objects.filter(status=DeadLetterStatus.WAITING)
    if page is _ADMIN and user.has_perm("stories.view_story"):
        return Story.objects.filter(status=Status.SUBMITTED)
    return None


def _pages(user: User) -> dict[str, tuple[Page, ...]]:
    """Return the pages that a user may open, by the name of their group."""
    is_customer = user.user_type == UserType.CUSTOMER
    manages = (_DASHBOARD,) if may_open(user, UserType.SENIOR_MANAGEMENT) else ()
    return {
        "News": (_HOME, _STORIES, _MINE) if is_customer else (_STORIES,),
        "Replication": _REPLICATION if feed_audience(user) else (),
        "Management": (*manages, *((_ADMIN,) if user.is_staff else ())),
    }


def _is_home(page: Page, user: User) -> bool:
    return user.user_type in {page.url_name, page.alias}


def _open_page(pages: list[Page], path: str) -> Page | None:
    """Return the page whose URL is the longest prefix of the path.

    Return None for the page that submits a story: a button in the header opens it.
    """
    urls: dict[str, Page | None] = {reverse("story_new"): None}
    urls |= {reverse(name): page for page in pages for name in (page.url_name, page.alias) if name}
    matching = [url for url in urls if path.startswith(url)]
    return urls[max(matching, key=len)] if matching else None


def _count(page: Page, waiting: QuerySet[Model], *, fresh: bool) -> int:
    """Return the number of waiting rows, at most 1,000, counted at most once every ten seconds.

    On the page itself, where people decide, the number is always fresh.
    """
    key = _BADGE_KEY % page.url_name
    if fresh:
        cache.delete(key)
    return int(cache.get_or_set(key, waiting[:_MOST_COUNTED].count, _BADGE_SECONDS) or 0)
