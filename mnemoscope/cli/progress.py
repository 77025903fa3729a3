"""Progress on a terminal; nothing in a pipe."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from mnemoscope.base.text import duration

if TYPE_CHECKING:
    from rich.progress import Progress

    from mnemoscope.sweep import Failure, SweepProgress
    from mnemoscope.training import Progress as TrainingProgress

FAILURES = 20
"""Maximum number of failures of a sweep that are printed as they occur."""


@contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Shows a line that says what the command is at."""
    with _bars() as bars:
        task = bars.add_task(title, total=None)
        yield lambda stage: bars.update(task, description=f"{title}  {stage}")


@contextmanager
def training_progress(tol: float) -> Iterator["Callable[[TrainingProgress], None]"]:
    """Shows a bar from the first loss down to `tol`, on a logarithmic scale."""
    with _bars() as bars:
        task = bars.add_task("training", total=1.0)
        first: float | None = None

        def show(now: "TrainingProgress") -> None:
            nonlocal first
            first = now.loss if first is None else first
            fall = math.log(first / now.loss) if now.loss > 0 else math.inf
            done = fall / max(math.log(max(first, tol) / tol), 1e-9)
            bars.update(
                task,
                completed=min(1.0, max(0.0, done)),
                description=f"training  step {now.step:>6,}  loss {now.loss:.1e}",
            )

        yield show


@contextmanager
def sweep_progress(
    name: str,
) -> "Iterator[tuple[Callable[[SweepProgress], None], Callable[[Failure], None]]]":
    """Shows a line for a sweep, with the time that is left, and failures above it as they occur.

    Failures are printed in a pipe too, on standard error.
    """
    with _bars() as bars:
        task = bars.add_task(name, total=1.0)
        printed = 0

        def show(now: "SweepProgress") -> None:
            left = "" if now.seconds_left is None else f"  {duration(now.seconds_left)} left"
            failed = f"  {now.failed:,} failed" if now.failed else ""
            bars.update(
                task,
                completed=(now.done + now.failed) / max(1, now.planned),
                description=f"{name}  {now.done:,} of {now.planned:,} runs{failed}  "
                f"{now.rate:,.1f} a second{left}",
            )

        def fail(failure: "Failure") -> None:
            nonlocal printed
            printed += 1
            line = f"mnemoscope: run {failure.keys[0]}: {failure.reason}"
            if printed == FAILURES:
                line += " (further ones: see mnemoscope sweep status)"
            if printed <= FAILURES:
                bars.console.print(line, soft_wrap=True, markup=False, highlight=False)

        yield show, fail


def _bars() -> "Progress":
    # Here, so that a page of help need not wait for it.
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
