"""Auditing in a run's folder."""

import os
import shutil
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnemoscope.base.publishing import check_targets, publishing
from mnemoscope.cli.invocation import command
from mnemoscope.cli.progress import audit_progress
from mnemoscope.cli.run_folder import INDEX as RUN_INDEX
from mnemoscope.cli.run_folder import RunFolder
from mnemoscope.cli.under_way import end_interrupted, is_whole, measured

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.maps import SelfMap
    from mnemoscope.measure import AuditOptions
    from mnemoscope.nets import Network
    from mnemoscope.results import Audit


HELD_OUT = "held_out"
"""Where an audit's provenance tells what its held-out data were."""


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

    An earlier audit in it stays whole until the new one is.

    Raises:
        KeyboardInterrupt: Ctrl-C; the audit of what was finished is written, unless a whole one is
            there, and the same command goes on.
    """
    from mnemoscope.measure import AuditRun, Effort, audit_within
    from mnemoscope.measure import audit as audit_
    from mnemoscope.report import write_report
    from mnemoscope.results.audit import KIND

    check_targets(
        folder.path,
        [
            folder.report.name,
            RUN_INDEX,
            *(Path(folder.audit.name) / name for name in KIND.files()),
        ],
    )
    # A model that prints must not print into this command's output.
    with (
        publishing(claimed=True) as new,
        audit_progress() as show,
        redirect_stdout(sys.stderr),
    ):
        stage = new.folder(folder.path)
        run = AuditRun(name=folder.name, source=source, command=command(), on_progress=show)

        def work(checkpoints: Path) -> "Audit":
            given = {
                "held_out": held_out,
                "seed": seed,
                "run": replace(run, checkpoint=checkpoints / "audit.safetensors"),
            }
            if minutes is None:
                return audit_(f, X, options, **given)
            effort = Effort(minutes, starts=options.starts, trials=options.trials)
            return audit_within(f, X, effort, options, **given)

        result, whole = measured(work, folder.auditing)
        show("report")
        replaces = whole or not is_whole(folder.audit / KIND.index)
        if replaces:
            result.save(stage / folder.audit.name)
            write_report(result, stage / folder.report.name)
            folder.write_settings(stage)
    if not whole:
        end_interrupted(result.summary.partial, [folder.report] if replaces else [])
    shutil.rmtree(folder.auditing, ignore_errors=True)
    return result


def anchored_place(place: str) -> str:
    """Returns the absolute path of a place that exists, any other name unchanged."""
    return os.path.abspath(place) if os.path.exists(place) else place
