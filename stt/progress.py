"""Progress bars with an ETA, on standard error so that output can be piped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

T = TypeVar("T")


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Iterate over items with a progress bar that shows the count, the elapsed time and the ETA."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with _bar(MofNCompleteColumn()) as progress:
        yield from progress.track(items, total=total, description=description)


@contextmanager
def track_seconds(description: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Yield a function that moves a progress bar on by seconds of audio; `total` is None if it is unknown."""
    with _bar(
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} s" if total else "{task.completed:,.0f} s")
    ) as bar:
        task = bar.add_task(description, total=total)
        yield lambda seconds: bar.advance(task, seconds)


@contextmanager
def track_bytes(description: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function that moves a progress bar to a number of bytes, of a total that may be unknown (None)."""
    with _bar(DownloadColumn(), TransferSpeedColumn()) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar(*count: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *count,
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # or what is printed to a file or a pipe would go to standard error
    )
