"""The progress bars of a command, recorded."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from cdc.progress import Advance, Say


class Bars:
    """Records the label, the total and the steps of each bar."""

    def __init__(self) -> None:
        self.bars: list[tuple[str, int | None, list[int]]] = []

    def bar(
        self, label: str, total: int | None, say: Say
    ) -> AbstractContextManager[tuple[Say, Advance]]:
        steps: list[int] = []
        self.bars.append((label, total, steps))

        @contextmanager
        def shown() -> Iterator[tuple[Say, Advance]]:
            yield say, steps.append

        return shown()
