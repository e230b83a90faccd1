"""A concurrent writer for tests of long-running work."""

import random
import threading
import time
from types import TracebackType
from typing import Self

from django.db import OperationalError, connection

from stories.models import Story


class Writers:
    """Updates, creates and deletes stories in a thread, at a fixed rate, inside the block."""

    def __init__(self, rate: float = 100.0, seed: int = 5) -> None:
        self._rate = rate
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.errors: list[BaseException] = []
        self.changes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        assert self.errors == []
        assert self.changes > 0

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self._change()
                time.sleep(1 / self._rate)
        except Exception as error:  # noqa: BLE001 -- raised in the main thread
            self.errors.append(error)
        finally:
            connection.close()

    def _change(self) -> None:
        key = self._random.randint(1, 3000)
        try:
            if key % 10 == 0:
                Story.objects.filter(pk=key).delete()
            elif key % 10 == 1:
                Story.objects.create(title=f"new {key}", href="http://example.org/")
            else:
                Story.objects.filter(pk=key).update(diggs=self._random.randint(0, 3))
        except OperationalError:
            return  # A deadlock. A real user would retry.
        self.changes += 1
