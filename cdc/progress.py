"""A progress bar on standard error, when somebody can see it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import Progress

Say = Callable[[str], None]
Advance = Callable[[int], None]
Bar = Callable[[str, int | None, Say], AbstractContextManager[tuple[Say, Advance]]]
"""What shows the progress of a piece of work: its label, its total and where sentences go."""


@contextmanager
def progress(label: str, total: int | None, say: Say) -> Iterator[tuple[Say, Advance]]:
    """Give two functions: one prints a sentence above the bar, one moves the bar.

    Without a terminal there is no bar, and sentences go to `say`.
    """
    if not sys.stderr.isatty():
        yield say, lambda _: None
        return
    console = Console(stderr=True, soft_wrap=True)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield (
            lambda text: console.print(text, markup=False, highlight=False),
            lambda size: bar.advance(task, size),
        )
