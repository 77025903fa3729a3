"""Audits and screenings in a run's folder: what they write, and what Ctrl-C leaves of them."""

import shutil
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mnemoscope.base.publishing import check_targets, publishing
from mnemoscope.base.small_files import read_json
from mnemoscope.cli.invocation import command
from mnemoscope.cli.progress import progress
from mnemoscope.cli.run_folder import INDEX, RunFolder

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.maps import SelfMap
    from mnemoscope.measure import AuditOptions
    from mnemoscope.nets import Network
    from mnemoscope.results import Audit, Screen

Result = TypeVar("Result", "Audit", "Screen")

Show = Callable[[str], object]

SCREENED_PAGES = ("sample.html", "suspicious.html")
"""Pages of the two audits of a screening."""


def audit_in(
    folder: RunFolder,
    f: "Network | SelfMap",
    X: "Tensor",
    options: "AuditOptions",
    *,
    source: dict[str, Any],
    held_out: "Tensor | None" = None,
    seed: int,
    minutes: float | None = None,
) -> "Audit":
    """Audits into a run's folder: the tables and the page.

    An earlier audit in it stays complete until the new one is.
    """
    from mnemoscope.measure import AuditRun, Effort, audit_within
    from mnemoscope.measure import audit as audit_
    from mnemoscope.results.audit import KIND

    def measure(checkpoints: Path, show: Show) -> "Audit":
        run = AuditRun(
            folder.name, source, command(), checkpoints / "audit.safetensors", on_progress=show
        )
        if minutes is None:
            return audit_(f, X, options, held_out=held_out, seed=seed, run=run)
        effort = Effort(minutes, starts=options.starts, trials=options.trials)
        return audit_within(f, X, effort, options, held_out=held_out, seed=seed, run=run)

    def write(audit: "Audit", stage: Path) -> list[Path]:
        write_audit(audit, folder, stage)
        return [folder.report]

    index = folder.audit / KIND.index
    return _measured_in(folder, audit_files(folder), index, measure, write)[0]


def write_audit(audit: "Audit", folder: RunFolder, stage: Path) -> None:
    """Writes the tables and the page of an audit into a stage of a run's folder."""
    from mnemoscope.report import write_report

    audit.save(stage / folder.audit.name)
    write_report(audit, stage / folder.report.name)


def audit_files(folder: RunFolder) -> list[Path]:
    """Returns the files of an audit, relative to its run's folder."""
    from mnemoscope.results.audit import KIND

    return [*(Path(folder.audit.name) / name for name in KIND.files()), Path(folder.report.name)]


def screen_in(
    folder: RunFolder,
    f: "Network | SelfMap",
    X: "Tensor",
    options: "AuditOptions",
    *,
    source: dict[str, Any],
    held_out: "Tensor | None",
    seed: int,
    show_cost: Show,
) -> "tuple[Screen, list[Path]]":
    """Screens into a run's folder: screen.parquet, screen.json, two audits and a page for each."""
    from mnemoscope.measure import AuditRun, ScreenOptions, screen
    from mnemoscope.report import write_report
    from mnemoscope.results.screen import KIND

    def measure(checkpoints: Path, show: Show) -> "Screen":
        stages: list[str] = []

        def announce(stage: str) -> None:
            if not stages:
                show_cost(stage)
            stages.append(stage)
            show(stage)

        run = AuditRun(folder.name, source, command(), checkpoints, on_progress=announce)
        return screen(f, X, ScreenOptions(audit=options), held_out=held_out, seed=seed, run=run)

    def write(result: "Screen", stage: Path) -> list[Path]:
        result.save(stage / folder.screen.name)
        audits = zip((result.sample, result.suspicious), SCREENED_PAGES, strict=True)
        pages = {page: audit for audit, page in audits if audit is not None}
        for page, audit in pages.items():
            write_report(audit, stage / folder.screen.name / page)
        return [folder.screen / page for page in pages]

    index = folder.screen / KIND.index
    return _measured_in(folder, screening_files(folder), index, measure, write)


def screening_files(folder: RunFolder) -> list[Path]:
    """Returns the files of a screening, relative to its run's folder."""
    from mnemoscope.results.screen import screen_files

    return [Path(folder.screen.name) / name for name in (*SCREENED_PAGES, *screen_files())]


def _measured_in(
    folder: RunFolder,
    names: Iterable[str | Path],
    index: Path,
    measure: Callable[[Path, Show], Result],
    write: Callable[[Result, Path], list[Path]],
) -> tuple[Result, list[Path]]:
    """Measures, and publishes the result in a run's folder."""
    check_targets(folder.path, [INDEX, *names])
    pages: list[Path] = []
    # A model that prints must not print into this command's output.
    with publishing(claimed=True) as new, progress("auditing") as show, redirect_stdout(sys.stderr):
        stage = new.folder(folder.path)
        result, is_complete = _measured(lambda place: measure(place, show), folder.auditing)
        show("report")
        if is_complete or not _is_complete(index):
            pages = write(result, stage)
            folder.write_settings(stage)
    if not is_complete:
        outcome = "the results that were there stay as they were"
        if pages:
            named = " and ".join(map(str, pages))
            outcome = f"{named} {'hold' if len(pages) > 1 else 'holds'} what was finished"
        raise KeyboardInterrupt(
            f"audit interrupted before: {', '.join(result.summary.partial)} ({outcome}); expected "
            f"it to run to its end; to go on from there, run the same command again: {command()}"
        )
    shutil.rmtree(folder.auditing, ignore_errors=True)
    return result, pages


def _measured(work: Callable[[Path], Result], checkpoints: Path) -> tuple[Result, bool]:
    """Does the work until it is complete or Ctrl-C; whether it is complete.

    Checkpoints of another map or of other data are given up: the command line that wrote them was
    the same, but what it names has changed.
    """
    from mnemoscope.measure.parts import Interrupted, OtherCheckpointError

    try:
        return work(checkpoints), True
    except Interrupted as stop:
        return stop.result, False
    except OtherCheckpointError as error:
        print(f"mnemoscope: begins anew: {error.given}", file=sys.stderr, flush=True)
        shutil.rmtree(checkpoints, ignore_errors=True)
        return _measured(work, checkpoints)


def _is_complete(index: Path) -> bool:
    """Decides whether an index is of an audit or a screening that was not interrupted."""
    try:
        return not read_json(index)["summary"].get("partial")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
