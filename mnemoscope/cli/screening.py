"""`mnemoscope audit --screen`: one pass over all examples, audits of some of them."""

import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnemoscope.base.publishing import check_targets, publishing
from mnemoscope.cli.invocation import command
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.progress import audit_progress
from mnemoscope.cli.run_folder import INDEX as RUN_INDEX
from mnemoscope.cli.run_folder import RunFolder
from mnemoscope.cli.under_way import end_interrupted, is_whole, measured

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.maps import SelfMap
    from mnemoscope.measure import AuditOptions
    from mnemoscope.nets import Network
    from mnemoscope.results import Screen
    from mnemoscope.results.conditions import Condition
    from mnemoscope.results.summary import Summary

FOLDER = "screen"
"""The folder of a screening in that of its run."""

PAGES = ("sample.html", "suspicious.html")

SELECTED = ("stored", "disclosed", "contractive")
"""What is counted over the sample and the most suspicious examples together."""


@dataclass(frozen=True)
class Printed:
    """How the result is printed.

    Attributes:
        taken: What was taken of the data.
        json: Whether as JSON.
        conditions: What to fail on.
    """

    taken: str
    json: bool
    conditions: "Sequence[Condition]"


def screen_in(
    folder: RunFolder,
    f: "Network | SelfMap",
    X: "Tensor",
    options: "AuditOptions",
    *,
    source: dict[str, Any],
    held_out: "Tensor | None",
    seed: int,
    printed: Printed,
) -> int:
    """Screens into a run's folder, prints what was found; 1 if a condition to fail on holds.

    Writes screen/screen.parquet, screen.json, both audits and a page for each; on Ctrl-C those of
    what was finished, unless a whole screening is there.

    Args:
        folder: The run's.
        f: The map.
        X: All examples.
        options: What both audits try.
        source: How the data were loaded.
        held_out: Data not trained on.
        seed: Random seed.
        printed: What is printed of the result.
    """
    from mnemoscope.measure import AuditRun, ScreenOptions, screen
    from mnemoscope.report import write_report
    from mnemoscope.results.screen import KIND, SAMPLE, SUSPICIOUS, screen_files

    names = (*PAGES, *screen_files())
    check_targets(folder.path, [RUN_INDEX, *(Path(FOLDER) / name for name in names)])
    # The cost is a part of the output, and printed at once; with --json it is no part of it.
    out = sys.stderr if printed.json else sys.stdout
    with (
        publishing(claimed=True) as new,
        audit_progress() as show,
        redirect_stdout(sys.stderr),
    ):
        stages: list[str] = []

        def tell(stage: str) -> None:
            if not stages:
                print(stage, file=out, flush=True)
            stages.append(stage)
            show(stage)

        stage = new.folder(folder.path)
        run = AuditRun(folder.name, source, command(), on_progress=tell)

        def work(checkpoints: Path) -> "Screen":
            own = replace(run, checkpoint=checkpoints)
            return screen(f, X, ScreenOptions(audit=options), held_out=held_out, seed=seed, run=own)

        result, whole = measured(work, folder.auditing)
        show("report")
        place, pages = folder.path / FOLDER, []
        if whole or not is_whole(place / KIND.index):
            result.save(stage / FOLDER)
            for audit, page in zip((result.sample, result.suspicious), PAGES, strict=True):
                if audit is not None:
                    write_report(audit, stage / FOLDER / page)
                    pages.append(place / page)
            folder.write_settings(stage)
    if not whole:
        end_interrupted(result.summary.partial, pages)
    shutil.rmtree(folder.auditing, ignore_errors=True)
    assert result.sample is not None
    assert result.suspicious is not None
    failed = [c for c in printed.conditions if c.holds(_asked(c, result))]
    if printed.json:
        print_json(
            {
                **result.summary.model_dump(mode="json"),
                "data": printed.taken,
                "rates": {name: asdict(rate) for name, rate in result.rates.items()},
                "audits": {
                    name: audit.summary.model_dump(mode="json")
                    for name, audit in ((SAMPLE, result.sample), (SUSPICIOUS, result.suspicious))
                },
                "screen": str(place),
                "reports": [str(page) for page in pages],
            }
        )
    else:
        print_lines(*result.lines(), printed.taken, *map(str, pages))
        print_lines(*(c.explain(_asked(c, result)) for c in failed))
    return int(bool(failed))


def screening_files(folder: RunFolder) -> list[Path]:
    """The files of a screening in a run's folder, whether they are there or not."""
    from mnemoscope.results.screen import screen_files

    return [folder.path / FOLDER / name for name in (*PAGES, *screen_files())]


def _asked(condition: "Condition", result: "Screen") -> "Summary":
    """Returns the summary that a condition is about.

    Counts of examples are those of the sample and the most suspicious ones together; shares, their
    intervals and everything else are those of the random sample alone.
    """
    from mnemoscope.base.stats import Rate

    assert result.sample is not None
    assert result.suspicious is not None
    summary = result.sample.summary
    if condition.percent or condition.name not in SELECTED:
        whole = {name: result.rates[name] for name in SELECTED}
        return summary.model_copy(update=whole)
    audited = set(result.sample_rows) | set(result.suspicious_rows)
    rows: set[int] = set()
    for audit, indices in (
        (result.sample, result.sample_rows),
        (result.suspicious, result.suspicious_rows),
    ):
        values = audit.examples[condition.name].to_list()
        rows |= {i for i, v in zip(indices, values, strict=True) if v is True or v == "yes"}
    return summary.model_copy(update={condition.name: Rate.of(len(rows), len(audited))})
