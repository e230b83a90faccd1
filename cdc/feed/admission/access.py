"""Checks whether the readers of streams still have access.

All streams share one thread and one database connection for these checks. If a stream used the
thread of its request, the thread would be occupied until the stream ended.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from zlib import crc32

from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.db import Error, connections
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac

from cdc.audience import Audience, AudienceOf
from cdc.runtime.threads import attempt

_LINGER_SECONDS = 0.2
"""How long a batch of checks waits for further checks."""
_ANSWER_SECONDS = 30.0


class Access(Enum):
    """Whether a reader may read the feed now."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"
    """The database is not responding. The stream ends, and the browser reconnects."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A session that reads the feed, and the audience for which its stream began."""

    sessions: type[SessionBase]
    key: str | None
    audience_of: AudienceOf
    audience: Audience

    @property
    def phase(self) -> float:
        """The point, from 0 to 1, of the check interval at which this session is checked."""
        return crc32((self.key or "").encode()) / 2**32


class AccessChecks:
    """Looks up sessions and their users, in batches.

    Streams of one session that ask at the same time share a check.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="feed-access")
        self._waiting: dict[Reading, asyncio.Future[Access]] = {}
        self._batches: asyncio.Task[None] | None = None

    async def check(self, reading: Reading) -> Access:
        """Return whether the reader still has access; UNKNOWN if the database is too slow."""
        loop = asyncio.get_running_loop()
        answer = self._waiting.setdefault(reading, loop.create_future())
        if self._batches is None:
            self._batches = loop.create_task(self._run())
        try:
            # Another stream may be waiting for the same answer.
            return await asyncio.wait_for(asyncio.shield(answer), _ANSWER_SECONDS)
        except TimeoutError:
            return Access.UNKNOWN

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await asyncio.sleep(_LINGER_SECONDS)
                batch, self._waiting = self._waiting, {}
                found = await loop.run_in_executor(self._thread, partial(_look_up, list(batch)))
                for answer, access in zip(batch.values(), found, strict=True):
                    answer.set_result(access)
        finally:
            self._batches = None


def page_key(request: HttpRequest, audience: Audience) -> str:
    """Return an opaque string that identifies a session and its audience.

    Pages of one browser share streams only if their keys are equal.
    """
    return salted_hmac("cdc.feed", f"{request.session.session_key} {audience.value}").hexdigest()


def is_from_page_of(request: HttpRequest, audience: Audience) -> bool:
    """Return False if the request names a page of another session or audience, else True.

    If another user has logged in since, older pages of the browser must not show the new user's
    stream.
    """
    key = request.GET.get("key")
    return key is None or constant_time_compare(key, page_key(request, audience))


def _look_up(batch: list[Reading]) -> list[Access]:
    found: list[Access] = []
    # While the database is unavailable, each further attempt could take seconds, so the first
    # error ends the batch.
    with suppress(Error):
        found.extend(map(_access, batch))
    connections.close_all()
    return found + [Access.UNKNOWN] * (len(batch) - len(found))


def _access(reading: Reading) -> Access:
    """Look up in the database whether the session's user still belongs to the same audience.

    Raise Error if the database does not respond. After any other error, the result of this check
    is UNKNOWN, and the batch continues.
    """
    request = HttpRequest()
    request.session = reading.sessions(reading.key)
    found: list[Audience | None] = []
    error = attempt(
        "feed-access",
        lambda: found.append(reading.audience_of(get_user(request))),
        expected=(Error,),
    )
    if isinstance(error, Error):
        raise error
    if error is not None:
        return Access.UNKNOWN
    return Access.ALLOWED if found == [reading.audience] else Access.DENIED
