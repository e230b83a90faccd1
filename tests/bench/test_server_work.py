"""The processor time and the requests of a server."""

import itertools
import os
import threading

from tests.bench.server_work import Watched


def test_own_requests_are_not_counted() -> None:
    requests = itertools.count()
    server = Watched(os.getpid(), lambda: next(requests))
    with server.working() as work:
        pass
    assert work.requests == 0
    with server.working() as work:
        next(requests)
        next(requests)
    assert work.requests == 2


def test_processor_time_of_all_threads_counts() -> None:
    ready, ended = threading.Event(), threading.Event()

    def compute() -> None:
        sum(range(3_000_000))
        ready.set()
        ended.wait(60)

    thread = threading.Thread(target=compute)
    with Watched(os.getpid(), lambda: 0).working() as work:
        thread.start()
        assert ready.wait(60)
    ended.set()
    thread.join(60)
    assert work.server_seconds > 0
    assert work.client_seconds > 0


def test_a_sleep_is_not_processor_time() -> None:
    with Watched(os.getpid(), lambda: 0).working() as work:
        threading.Event().wait(0.2)
    assert work.server_seconds < work.seconds / 2
    assert work.client_seconds < work.seconds / 2
    assert work.waited > 0
