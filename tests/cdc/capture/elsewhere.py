"""Writes of another connection."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections


def elsewhere(act: Callable[[], Any]) -> None:
    """Call `act` in another thread with its own connection, and wait for its end."""

    def run() -> None:
        act()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
