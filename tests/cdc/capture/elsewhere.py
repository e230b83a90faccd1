"""Writes on another database connection."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections


def elsewhere(act: Callable[[], Any]) -> None:
    """Call `act` in a thread with its own database connection. Wait until it has ended."""

    def run() -> None:
        act()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
