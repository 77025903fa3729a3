"""Auditing in a run's folder."""

import os
import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mnemoscope.base.publishing import check_targets, publishing
from mnemoscope.cli.invocation import command
from mnemoscope.cli.options import (
    match_tol_of,
)
from mnemoscope.cli.progress import audit_progress
from mnemoscope.cli.run_folder import INDEX as RUN_INDEX
from mnemoscope.cli.run_folder import RunFolder
from mnemoscope.cli.under_way import end_interrupted, is_whole, measured

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.maps import SelfMap
    from mnemoscope.nets import Network
    from mnemoscope.results import Audit


HELD_OUT = "held_out"
"""Where an audit's provenance tells what its held-out data were."""


def audit_in(
    folder: RunFolder,
    f: "Network | SelfMap",
    X: "Tensor",
    source: dict[str, Any],
    *,
    starts: int,
    trials: int,
    seed: int,
    fresh: "Tensor | None" = None,
    held_out: str | None = None,
    max_steps: int = 10_000,
    max_products: int = 2_000,
    unit: float | Literal["per_feature"] | None = None,
    match_tol: float | None = None,
    minutes: float | None = None,
) -> "Audit":
    """Audits into a run's folder: the tables and the page.

    An earlier audit in it stays whole until the new one is.

    Raises:
        KeyboardInterrupt: Ctrl-C; the audit of what was finished is written, unless a whole one is
            there, and the same command goes on.
    """
    from mnemoscope.measure import Effort, audit_within
    from mnemoscope.measure import audit as audit_
    from mnemoscope.report import write_report
    from mnemoscope.results.audit import INDEX as AUDIT_INDEX
    from mnemoscope.results.audit import audit_files

    check_targets(
        folder.path,
        [
            folder.report.name,
            RUN_INDEX,
            *(Path(folder.audit.name) / name for name in audit_files()),
        ],
    )
    # A model that prints must not print into this command's output.
    with (
        publishing(claimed=True) as new,
        audit_progress() as show,
        redirect_stdout(sys.stderr),
    ):
        stage = new.folder(folder.path)
        options: dict[str, Any] = {
            "held_out": fresh,
            "name": folder.name,
            "source": source
            if held_out is None
            else {**source, HELD_OUT: anchored_place(held_out)},
            "command": command(),
            "max_steps": max_steps,
            "max_products": max_products,
            "match_tol": match_tol_of(match_tol),
        }
        told: dict[str, Any] = {"seed": seed, "unit": unit, "on_progress": show}

        def work(checkpoints: Path) -> "Audit":
            told["checkpoint"] = checkpoints / "audit.safetensors"
            if minutes is None:
                return audit_(f, X, starts=starts, trials=trials, **told, **options)
            effort = Effort(minutes, starts=starts, trials=trials)
            return audit_within(f, X, effort, options=options, **told)

        result, whole = measured(work, folder.auditing)
        show("report")
        replaces = whole or not is_whole(folder.audit / AUDIT_INDEX)
        if replaces:
            result.save(stage / folder.audit.name)
            write_report(result, stage / folder.report.name)
            folder.write_settings(stage)
    if not whole:
        end_interrupted(result.summary["partial"], [folder.report] if replaces else [])
    shutil.rmtree(folder.auditing, ignore_errors=True)
    return result


def anchored_place(place: str) -> str:
    """Returns the absolute path of a place that exists, any other name unchanged."""
    return os.path.abspath(place) if os.path.exists(place) else place
