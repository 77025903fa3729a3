"""`mnemoscope claims`: runs the claims of the literature and checks their predictions."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import check_targets, publishing
from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.invocation import command
from mnemoscope.cli.options import Device, Force, Json, Out, Seed, check_device
from mnemoscope.cli.printing import print_claims, print_json, print_lines
from mnemoscope.cli.progress import claims_progress
from mnemoscope.cli.run_folder import INDEX, RunFolder, claimed
from mnemoscope.cli.threads import one_thread

if TYPE_CHECKING:
    from mnemoscope.claims import ClaimResult

PAGE, RUNS, RESULTS = "claims.html", "runs.parquet", "claims.json"
FAILED = 1
"""Exit status with `--fail` when a claim fails."""


def claims(
    *names: Annotated[str, Parameter(help="Names of claims (default: all).")],
    all: Annotated[bool, Parameter(negative=(), help="Run all claims, the default.")] = False,
    quick: Annotated[
        bool, Parameter(negative=(), help="A few seconds each: smaller networks, fewer seeds.")
    ] = False,
    long: Annotated[
        bool, Parameter(negative=(), help="Run for hours: more sizes and more seeds.")
    ] = False,
    seeds: Annotated[
        int | None, Parameter(help="Number of seeds (default: each claim's own).")
    ] = None,
    out: Annotated[
        Out, Parameter(help="Folder for the page and the table of every run (default: none).")
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    fail: Annotated[
        bool, Parameter(negative=(), help="Exit with 1 if a claim fails (default: always 0).")
    ] = False,
    force: Force = False,
    json: Json = False,
) -> int:
    """Run the claims of the literature: compare what theory predicts with what is measured.

    With --out, writes claims.html, runs.parquet and claims.json, updated after each claim.
    """
    if all and names:
        raise MnemoscopeError(
            f"--all and {', '.join(names)}",
            expected="all claims, or some by name",
            todo="remove one of them",
            field="all",
        )
    if quick and long:
        raise MnemoscopeError(
            "--quick and --long",
            expected="one of them at most",
            todo="remove one of them",
            field="quick",
        )
    import_libraries()
    from mnemoscope.claims import Scale
    from mnemoscope.claims.run import find_claim, run_claims

    chosen = [find_claim(name).name for name in names]
    check_device(device)
    scale = Scale("quick" if quick else "long" if long else "default", seeds, seed, device)
    results: list[ClaimResult] = []
    with ExitStack() as stack:
        folder = None
        if out is not None:
            settings = {"claims": chosen or "all", **vars(scale)}
            folder = stack.enter_context(claimed(out, settings, force=force))
            check_targets(folder.path, [PAGE, RUNS, RESULTS, INDEX])
        show = stack.enter_context(claims_progress())
        if device == "cpu":
            stack.enter_context(one_thread())
        for result in run_claims(chosen, scale, on_begin=lambda claim: show(claim.name)):
            results.append(result)
            if folder is not None:
                _write(folder, results)
    rows = [result.row() for result in results]
    if json:
        print_json(rows)
    else:
        print_claims(rows)
        if folder is not None:
            print_lines("", str(folder.path / PAGE))
    return FAILED if fail and any(row["verdict"] == "fails" for row in rows) else 0


def _write(folder: RunFolder, results: Sequence["ClaimResult"]) -> None:
    """Writes the page, the table of every run and the results so far, all at once."""
    import json

    import polars as pl

    from mnemoscope.base.provenance import versions
    from mnemoscope.base.text import plain
    from mnemoscope.report import write_claims_page

    provenance: dict[str, Any] = {
        "command": command(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "settings": folder.settings,
    }
    rows = [result.row() for result in results]
    with publishing(claimed=True) as new:
        stage = new.folder(folder.path)
        claims = [(row, result.figures()) for row, result in zip(rows, results, strict=True)]
        write_claims_page(claims, stage / PAGE, provenance=provenance)
        tables = [result.runs.select(pl.lit(result.name).alias("claim"), "*") for result in results]
        with replacing(stage / RUNS) as file:
            pl.concat(tables, how="diagonal_relaxed").write_parquet(file)
        found = plain({"provenance": provenance, "claims": rows})
        with replacing(stage / RESULTS) as file:
            file.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")
        folder.write_settings(stage)
