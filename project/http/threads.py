"""A limited number of threads for requests, each with a database connection of its own."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections, connections

from project.http.asgi_types import Receive

P = ParamSpec("P")
T = TypeVar("T")


class _Afterwards(ThreadPoolExecutor):
    """Runs the work that remains after a response has started; keeps no database connection."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        def run() -> T:
            try:
                return fn(*args, **kwargs)
            finally:
                connections.close_all()

        return super().submit(run)


class Threads:
    """A fixed number of threads. A thread serves one request at a time.

    A thread lives as long as the process, so that Django keeps its database connection for the next
    request. A request gets the most recently used thread, so a thread starts only when needed.
    """

    def __init__(self, name: str, size: int, afterwards: Executor) -> None:
        self.afterwards = afterwards
        self._idle: list[Executor] = [
            ThreadPoolExecutor(1, f"{name}-{number}") for number in range(size)
        ]
        self._waiting: deque[asyncio.Future[Executor]] = deque()

    async def take(self, seconds: float, receive: Receive) -> "Slot | None":
        """Return a thread for a request, or None if all are in use for `seconds`.

        Also return None if the client disconnects, which makes `receive` return.
        """
        if self._idle:
            return Slot(self, self._idle.pop())
        waiter: asyncio.Future[Executor] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        gone = asyncio.ensure_future(receive())
        try:
            both: set[asyncio.Future[Any]] = {waiter, gone}
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            # Has no effect if a thread was handed over.
            waiter.cancel()
        if waiter.cancelled():
            return None
        if gone.done():
            self._put_back(waiter.result())
            return None
        return Slot(self, waiter.result())

    def give_back(self, thread: Executor) -> None:
        """Reuse a thread once its work is done. A view may continue after its client has left."""
        loop = asyncio.get_running_loop()

        def put_back(_: Future[None]) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._put_back, thread)

        thread.submit(close_old_connections).add_done_callback(put_back)

    def _put_back(self, thread: Executor) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(thread)
                return
        self._idle.append(thread)


class Slot(Executor):
    """The thread of one request, until it is released."""

    def __init__(self, threads: Threads, thread: Executor) -> None:
        self._threads = threads
        self._thread: Executor | None = thread

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return (self._thread or self._threads.afterwards).submit(fn, *args, **kwargs)

    def release(self) -> None:
        if self._thread:
            self._threads.give_back(self._thread)
            self._thread = None


def afterwards(size: int) -> Executor:
    """Return the threads that all requests share after their responses have started."""
    return _Afterwards(size, "afterwards")
