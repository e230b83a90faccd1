"""A progress bar on standard error, shown if standard error is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Say = Callable[[str], None]
Advance = Callable[[int], None]
Bar = Callable[[str, int | None, Say], AbstractContextManager[tuple[Say, Advance]]]
"""A function with the same parameters as `progress`."""


@contextmanager
def progress(label: str, total: int | None, say: Say) -> Iterator[tuple[Say, Advance]]:
    """Yield two functions: the first prints a message above the bar, the second advances the bar.

    The bar is full after `total` steps; None means that the total is unknown. If standard error is
    not a terminal, no bar is shown, and each message is passed to `say`.
    """
    if not sys.stderr.isatty():
        yield say, lambda _: None
        return
    # Every process imports this module, but few processes show a bar.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True, soft_wrap=True)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield (
            lambda text: console.print(text, markup=False, highlight=False),
            lambda size: bar.advance(task, size),
        )
