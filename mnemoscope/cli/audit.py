"""`mnemoscope audit`: what a network has memorized."""

import math
import os
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.publishing import check_name
from mnemoscope.base.small_files import read_json
from mnemoscope.cli.audit_folder import audit_in, screen_in
from mnemoscope.cli.computing import check_device
from mnemoscope.cli.invocation import FOUND
from mnemoscope.cli.options import RUN_OPTIONS, Place, RunOptions, naming_options, parsed
from mnemoscope.cli.printing import duplicates_line, print_audit, print_json, print_lines
from mnemoscope.cli.reading import DATA_OPTIONS, DataOptions, data_for, read_held_out
from mnemoscope.cli.run_folder import RunFolder, claimed, claimed_again, refuse_changed
from mnemoscope.cli.target import Target, TargetOptions, open_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from mnemoscope.measure import AuditOptions
    from mnemoscope.results import Audit, Screen
    from mnemoscope.results.conditions import Condition
    from mnemoscope.results.summary import Summary

HELD_OUT = "held_out"
"""Key of the held-out data in an audit's provenance."""

SELECTED = ("stored", "disclosed", "contractive")
"""What a screening counts over its sample and the most suspicious examples together."""


@Parameter(name="*")
@dataclass(frozen=True)
class EffortOptions:
    """How much an audit tries, and how near counts as there.

    Attributes:
        starts: Starts of each distribution.
        trials: Corrupted copies of each example, for each corruption and strength.
        max_steps: Steps after which an orbit is unsettled.
        max_products: Jacobian-vector products for the spectrum at an example.
        match_tol: Largest distance (RMS, as a share of the data's range) at which an attractor is a
            training example; default: 0.01.
        unit: Scale of the data, a number or per-feature; default: the range of the examples.
        screen: For large training sets: one pass over all examples (its cost is printed first),
            audits of a random sample and of the most suspicious ones.
        minutes: Plan the audit for this time (min): parts are timed, and what does not fit is left
            out and named in the verdict; default: all that is asked for.
    """

    starts: int = 1000
    trials: int = 10
    max_steps: int = 10_000
    max_products: int = 2_000
    match_tol: float | None = None
    unit: str | None = None
    screen: bool = False
    minutes: float | None = None

    def audit_options(self) -> "AuditOptions":
        """Returns the options of the audit, or of both audits of a screening."""
        from mnemoscope.measure import AuditOptions, Effort

        unit = None
        if self.unit is not None:
            expected = "a number above 0, or per-feature"
            unit = parsed("--unit", self.unit, _unit, expected, "--unit 255")
        given = {name: value for name, value in asdict(self).items() if value is not None}
        screen, minutes = given.pop("screen"), given.pop("minutes", None)
        with naming_options(given):
            if minutes is not None:
                Effort(minutes)
            options = AuditOptions.of(**{**given, "unit": unit})
        if minutes is not None and (screen or isinstance(unit, str)):
            raise MnemoscopeError(
                f"--minutes {minutes:g} with {'--screen' if screen else '--unit per-feature'}",
                expected="an audit with one unit for all entries, of all examples or a sample",
                todo="omit one of the two",
            )
        return options


EFFORT_OPTIONS = EffortOptions()


def _unit(text: str) -> float | Literal["per_feature"]:
    if text.replace("_", "-") == "per-feature":
        return "per_feature"
    unit = float(text)
    if not 0 < unit < math.inf:
        raise ValueError
    return unit


def audit(
    target: TargetOptions,
    *,
    data: Place = None,
    reading: DataOptions = DATA_OPTIONS,
    held_out: Annotated[Place, Parameter(name=["--held-out", "--holdout"])] = None,
    effort: EffortOptions = EFFORT_OPTIONS,
    out: Place = None,
    fail_on: list[str] | None = None,
    run: RunOptions = RUN_OPTIONS,
) -> int:
    """Find out which examples a network has memorized, and write the report.

    Writes audit/ and report.html into the folder; a screening writes screen/.

    Args:
        target: The target.
        reading: How the data are read.
        data: The training examples; default: the run's training data.
        held_out: Data not trained on: starts, control, non-members for membership scores; default:
            those of the audit before, or none.
        out: Folder to write to; default: the run's, for others runs/ and its name.
        fail_on: Exit with 1 if one of these holds: "stored>0", "certified>0", "auc>0.6" and others;
            a name alone means above 0; default: none.
        effort: How much is tried.
        run: How it is carried out.
    """
    check_device(run.device)
    from mnemoscope.results.conditions import parse_conditions

    conditions = parse_conditions(fail_on or ())
    options = effort.audit_options()
    found = open_target(target, device=run.device)
    version = () if found.run is None else found.run.version
    held_out = held_out or _held_out_before(found.run)
    _check_measurable(conditions, held_out)
    _check_belongs(found)
    source, examples = data_for(found, target.target, data, reading)
    X, how = found.laid_out(examples.X)
    examples, shape = replace(examples, X=X), tuple(X.shape[1:])
    f = found.self_map(shape)
    taken = f"{examples.description}{how}"
    recorded, fresh = dict(source), None
    if held_out is not None:
        fresh = read_held_out(held_out, shape, examples)
        recorded[HELD_OUT] = os.path.abspath(held_out) if os.path.exists(held_out) else held_out
    with _claimed(found, source, out, force=run.force) as folder:
        if folder is found.run:
            refuse_changed(folder, version)
        given: dict[str, Any] = {"source": recorded, "held_out": fresh, "seed": run.seed}
        if effort.screen:
            # The cost is printed at once; with --json it is no part of the output.
            show = partial(print, file=sys.stderr if run.json else sys.stdout, flush=True)
            screened, pages = screen_in(folder, f, X, options, **given, show_cost=show)
            return _print_screen(screened, pages, taken, conditions, json=run.json)
        result = audit_in(folder, f, X, options, **given, minutes=effort.minutes)
    return _print_result(result, folder, taken, X, conditions, json=run.json)


def _claimed(
    found: Target, source: dict[str, Any], out: str | None, *, force: bool
) -> AbstractContextManager[RunFolder]:
    """Claims the folder of the run that was named, or another one for its audit."""
    run = found.run
    if run is not None and (out is None or os.path.realpath(out) == os.path.realpath(run.path)):
        return claimed_again(run)
    place = Path(out or Path("runs") / found.name)
    check_name(place)
    return claimed(place, {**found.settings, "data": source}, force=force)


def _check_belongs(found: Target) -> None:
    """Refuses a network that another run left: a run killed at its end, or two at the same time."""
    run, network = found.run, found.network
    if run is None or network is None or "audited" in run.settings:
        return
    record, settings = network.training_record, run.settings
    trained = settings.get("training")
    if (
        record is None
        or not isinstance(trained, dict)
        or network.spec.model_dump(mode="json") != settings.get("spec")
        or record.source != settings.get("data")
        or any(
            value is not None and record.options.get(name) != value
            for name, value in trained.items()
        )
    ):
        raise MnemoscopeError(
            f"{run.network}, which was not trained as run.json in its folder says",
            expected="the network of that run",
            todo=f"run its mnemoscope train command again, or audit {run.network} itself",
        )


def _check_measurable(conditions: "Sequence[Condition]", held_out: str | None) -> None:
    """Refuses, before any work, what cannot be measured."""
    for condition in conditions:
        if condition.needs_held_out and held_out is None:
            raise MnemoscopeError(
                f"--fail-on {condition.name} without --holdout",
                expected="data that were not trained on, for membership scores",
                todo="pass --holdout too",
            )


def _held_out_before(run: RunFolder | None) -> str | None:
    """Returns the held-out data of the audit that is there, which a new audit uses too."""
    from mnemoscope.results.audit import KIND

    if run is None:
        return None
    try:
        place = read_json(run.audit / KIND.index)["provenance"]["data"][HELD_OUT]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return place if isinstance(place, str) else None


def _print_result(
    result: "Audit",
    folder: RunFolder,
    taken: str,
    X: "Tensor",
    conditions: "Sequence[Condition]",
    *,
    json: bool,
) -> int:
    """Prints the result of an audit; the exit status."""
    from mnemoscope.results.report_format import report_json

    failed = [condition for condition in conditions if condition.holds(result.summary)]
    if json:
        print_json(
            {
                **result.summary.model_dump(mode="json"),
                **report_json(result),
                "data": taken,
                "report": str(folder.report),
                "audit": str(folder.audit),
            }
        )
    else:
        print_lines(f"Data: {taken}.", *duplicates_line(X))
        print_audit(result)
        print_lines(str(folder.report))
        print_lines(*(condition.explain(result.summary) for condition in failed))
    return FOUND if failed else 0


def _print_screen(
    result: "Screen",
    pages: "Sequence[Path]",
    taken: str,
    conditions: "Sequence[Condition]",
    *,
    json: bool,
) -> int:
    """Prints the result of a screening; the exit status."""
    assert result.sample is not None
    assert result.suspicious is not None
    failed = [(one, asked) for one in conditions if one.holds(asked := _asked(one, result))]
    if json:
        audits = {"sample": result.sample, "suspicious": result.suspicious}
        print_json(
            {
                **result.summary.model_dump(mode="json"),
                "data": f"Data: {taken}.",
                "rates": {name: asdict(rate) for name, rate in result.rates.items()},
                "audits": {
                    name: audit.summary.model_dump(mode="json") for name, audit in audits.items()
                },
                "screen": str(pages[0].parent),
                "reports": [str(page) for page in pages],
            }
        )
    else:
        print_lines(*result.lines(), f"Data: {taken}.", *map(str, pages))
        print_lines(*(condition.explain(asked) for condition, asked in failed))
    return FOUND if failed else 0


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
        return summary.model_copy(update={name: result.rates[name] for name in SELECTED})
    audits = (
        (result.sample, result.sample_rows),
        (result.suspicious, result.suspicious_rows),
    )
    counted = {
        row
        for audit, rows in audits
        for row, value in zip(rows, audit.examples[condition.name], strict=True)
        if value is True or value == "yes"
    }
    audited = {row for _, rows in audits for row in rows}
    return summary.model_copy(update={condition.name: Rate.of(len(counted), len(audited))})
