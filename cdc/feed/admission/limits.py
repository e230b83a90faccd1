"""The limits on the streams of one process: in total, per account and per client address."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from random import randint

from django.http import HttpRequest
from django.template.defaultfilters import pluralize

from cdc.printable import counted

_START_SECONDS = 30.0
"""A stream that has not begun after this time will never begin: its client has disconnected."""
AddressOf = Callable[[HttpRequest], str]
"""Maps a request to the address by which its client is counted.

For IPv6, this should be a network, because one client may have many addresses.
"""


def peer_address(request: HttpRequest) -> str:
    """Return the address of the connection; for clients of a proxy, the address of the proxy."""
    return str(request.META.get("REMOTE_ADDR") or "")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a reader whose stream would exceed a limit."""

    why: str
    retry_after: int = field(default_factory=lambda: randint(1, 10))  # noqa: S311 -- no secret
    """The number of seconds after which the reader may try again. It is random, so that refused
    readers do not return together."""


class Place:
    """The place of one stream. It is given back if the stream does not begin soon."""

    def __init__(self, places: "Places", account: str, address: str) -> None:
        self._places, self._names = places, (account, address)
        self._held = False
        self._take()
        loop = asyncio.get_running_loop()
        # A timer keeps its context, and the current context refers to the request.
        self._expiry = loop.call_later(_START_SECONDS, self._give_back, context=Context())

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep the place inside the block, and give it back afterwards."""
        self._expiry.cancel()
        self._take()
        try:
            yield
        finally:
            self._give_back()

    def _take(self) -> None:
        if not self._held:
            self._held = True
            self._places.count(*self._names, 1)

    def _give_back(self) -> None:
        if self._held:
            self._held = False
            self._places.count(*self._names, -1)


class Places:
    """Counts the streams of one process; belongs to one event loop."""

    def __init__(self, *, total: int, account: int, address: int) -> None:
        self._most = total
        self._most_of_account, self._most_of_address = account, address
        self._total = 0
        self._accounts: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()

    def refusal(self, account: str, address: str) -> Refusal | None:
        """Return the reason why a further stream is refused; None if it would be accepted."""
        if self._accounts[account] >= self._most_of_account:
            number = self._most_of_account
            return Refusal(f"Your account has {counted(number, 'open stream')}: {_close(number)}.")
        if self._addresses[address] >= self._most_of_address:
            number = self._most_of_address
            streams = f"{counted(number, 'stream')} {pluralize(number, 'is,are')}"
            return Refusal(f"{streams} open from your IP address: {_close(number)}.")
        if self._total >= self._most:
            return Refusal("Too many people are reading the feed: try again in a moment.")
        return None

    def take(self, account: str, address: str) -> Place | Refusal:
        """Return a place for a stream, or the reason for a refusal."""
        return self.refusal(account, address) or Place(self, account, address)

    def count(self, account: str, address: str, change: int) -> None:
        """Add 1 or -1 to the counts of streams. Only `Place` calls this method."""
        self._total += change
        for counter, name in ((self._accounts, account), (self._addresses, address)):
            counter[name] += change
            if not counter[name]:
                del counter[name]


def _close(streams: int) -> str:
    return pluralize(streams, "close it,close one of them")
