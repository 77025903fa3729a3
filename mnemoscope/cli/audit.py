"""`mnemoscope audit`: what a network has memorized."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mnemoscope.cli.options import (
    Count,
    Device,
    FailOn,
    Force,
    Gray,
    Json,
    Offset,
    Out,
    Seed,
    Size,
    Starts,
    Trials,
    check_device,
)
from mnemoscope.cli.printing import print_audit, print_json, print_lines
from mnemoscope.cli.progress import audit_progress
from mnemoscope.cli.run_folder import RunFolder, claim, open_run
from mnemoscope.cli.train import command, tell_duplicates
from mnemoscope.errors import MnemoscopeError

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.auditing import Audit
    from mnemoscope.nets import Network

FOUND = 1
"""Exit status where the audit found what it was asked to fail on."""


def audit(
    target: Annotated[str, Parameter(help="A run's folder, or a network.safetensors.")],
    *,
    data: Annotated[
        str | None, Parameter(help="The training examples; known already for a run.")
    ] = None,
    n: Count = None,
    offset: Offset = 0,
    size: Size = None,
    gray: Gray = False,
    held_out: Annotated[
        str | None, Parameter(help="Data not trained on, as one more kind of starts.")
    ] = None,
    starts: Starts = 1000,
    trials: Trials = 10,
    out: Out = None,
    seed: Seed = 0,
    device: Device = "cpu",
    fail_on: FailOn = None,
    force: Force = False,
    json: Json = False,
) -> int:
    """Find out which examples a network has memorized, and write the report.

    Writes audit/ and report.html into the run's folder, or into --out.
    """
    import mnemoscope as mn

    check_device(device)
    path = Path(target)
    run = open_run(path) if path.is_dir() else None
    network = mn.nets.load(path if run is None else _finished(run), device=device)
    given = {"source": data, "n": n, "offset": offset, "size": size, "gray": gray}
    source = _source(network, run, given, target)
    X = mn.load_data(**source)
    if tuple(X.shape[1:]) != network.shape:
        raise MnemoscopeError(
            f"{target} for states {network.shape}, and examples of shape {tuple(X.shape[1:])}",
            expected="the examples that it was trained on",
            todo="choose other data, or --size and --gray to fit",
        )
    fresh = None
    if held_out is not None:
        side = network.shape[-1] if len(network.shape) == 3 and held_out != "digits" else None
        fresh = mn.load_data(held_out, size=size or side, gray=network.shape[0] == 1 and gray)
    if run is None or out is not None:
        run = claim(
            out or Path("runs") / path.stem,
            {"audited": str(path.resolve()), "data": source},
            force=force,
        )
    tell_duplicates(X, quiet=json)
    result = audit_in(run, network, X, source, starts=starts, trials=trials, seed=seed, fresh=fresh)
    if json:
        print_json({**result.summary, "report": str(run.report), "audit": str(run.audit)})
    else:
        print_audit(result)
        print_lines(str(run.report))
    return FOUND if fail_on is not None and _count(result, fail_on) else 0


def audit_in(
    folder: RunFolder,
    network: "Network",
    X: "Tensor",
    source: dict[str, Any],
    *,
    starts: int,
    trials: int,
    seed: int,
    fresh: "Tensor | None" = None,
) -> "Audit":
    """Audits into a run's folder: the tables and the page."""
    import mnemoscope as mn

    with audit_progress() as show:
        result = mn.audit(
            network,
            X,
            starts=starts,
            trials=trials,
            seed=seed,
            held_out=fresh,
            name=folder.path.name,
            source=source,
            command=command(),
            on_progress=show,
        )
        show("report")
        result.save(folder.audit)
        result.to_html(folder.report)
    return result


def _finished(run: RunFolder) -> Path:
    if run.network.exists() and not run.checkpoint.exists():
        return run.network
    raise MnemoscopeError(
        f"{run.path}, whose training has not ended",
        expected="a run with a trained network",
        todo="run its mnemoscope train command again: it goes on where it was",
    )


def _source(
    network: "Network", run: RunFolder | None, given: dict[str, Any], target: str
) -> dict[str, Any]:
    if given["source"] is not None:
        return given
    record = network.training_record
    known = run.settings.get("data") if run is not None else None
    known = known or (None if record is None else record.source)
    if known is None:
        raise MnemoscopeError(
            f"{target}, which does not say what it was trained on",
            expected="its training examples",
            todo="pass --data",
        )
    return dict(known)


def _count(audit: "Audit", what: str) -> int:
    value = audit.summary[what]
    return value["count"] if isinstance(value, dict) else value
