"""Progress on a terminal; nothing in a pipe."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from mnemoscope.base.text import duration

if TYPE_CHECKING:
    from mnemoscope.sweep import Failure, SweepProgress
    from mnemoscope.training import Progress


@contextmanager
def training_progress(tol: float) -> Iterator["Callable[[Progress], None]"]:
    """A bar from the first loss down to `tol`, on a logarithmic scale."""
    with _bars() as bars:
        task = bars.add_task("training", total=1.0)
        first: list[float] = []

        def show(now: "Progress") -> None:
            first.append(now.loss)
            fall = math.log(first[0] / now.loss) if now.loss > 0 else math.inf
            done = fall / max(math.log(max(first[0], tol) / tol), 1e-9)
            bars.update(
                task,
                completed=min(1.0, max(0.0, done)),
                description=f"training  step {now.step:>6,}  loss {now.loss:.1e}",
            )
            del first[1:]

        yield show


@contextmanager
def audit_progress() -> Iterator[Callable[[str], None]]:
    """A line that says what the audit is at."""
    with _bars() as bars:
        task = bars.add_task("auditing", total=None)
        yield lambda stage: bars.update(task, description=f"auditing  {stage}")


@contextmanager
def claims_progress() -> Iterator[Callable[[str], None]]:
    """A line that says which claim is being run."""
    with _bars() as bars:
        task = bars.add_task("claims", total=None)
        yield lambda name: bars.update(task, description=f"claims  {name}")


@contextmanager
def extraction_progress() -> Iterator[Callable[[int, int], None]]:
    """A line that says how many starts were tried and how many attractors found."""
    with _bars() as bars:
        task = bars.add_task("extracting", total=None)
        yield lambda used, found: bars.update(
            task, description=f"extracting  {used:>7,} starts  {found:>5,} attractors"
        )


FAILURES = 20
"""Failures of a sweep that are printed as they come."""


@contextmanager
def sweep_progress(
    name: str,
) -> "Iterator[tuple[Callable[[SweepProgress], None], Callable[[Failure], None]]]":
    """A line for a sweep, with the time that is left; failures above it, as they come.

    Failures are printed in a pipe too, on standard error.
    """
    with _bars() as bars:
        task = bars.add_task(name, total=1.0)

        def show(now: "SweepProgress") -> None:
            left = "" if now.seconds_left is None else f"  {duration(now.seconds_left)} left"
            failed = f"  {now.failed:,} failed" if now.failed else ""
            bars.update(
                task,
                completed=(now.done + now.failed) / max(1, now.planned),
                description=f"{name}  {now.done:,} of {now.planned:,} runs{failed}  "
                f"{now.rate:,.1f} a second{left}",
            )

        printed = 0

        def fail(failure: "Failure") -> None:
            nonlocal printed
            printed += 1
            line = f"mnemoscope: run {failure.keys[0]}: {failure.reason}"
            if printed == FAILURES:
                line += " (further ones: see mnemoscope sweep status)"
            if printed <= FAILURES:
                bars.console.print(line, soft_wrap=True, markup=False, highlight=False)

        yield show, fail


def _bars() -> Bars:
    console = Console(stderr=True)
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
