"""`mnemoscope claims`: runs the claims of the literature and checks their predictions."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from mnemoscope.base.check import whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import make_folder, replacing
from mnemoscope.base.publishing import check_targets, publishing
from mnemoscope.cli.computing import check_device, import_libraries, one_thread
from mnemoscope.cli.invocation import FOUND, command
from mnemoscope.cli.options import CHART_OPTIONS, RUN_OPTIONS, ChartOptions, Place, RunOptions
from mnemoscope.cli.printing import plain_table, print_json, print_lines, printed_console
from mnemoscope.cli.progress import progress
from mnemoscope.cli.run_folder import INDEX, RunFolder, claimed

if TYPE_CHECKING:
    from mnemoscope.claims import Claim, ClaimResult

PAGE, RUNS, RESULTS = "claims.html", "runs.parquet", "claims.json"


@Parameter(name="*")
@dataclass(frozen=True)
class ScaleOptions:
    """How much of each claim is run.

    Attributes:
        quick: A few seconds each: smaller networks, fewer seeds.
        long: Run for hours: more sizes and more seeds.
        seeds: Number of seeds; default: each claim's own.
    """

    quick: bool = False
    long: bool = False
    seeds: int | None = None

    def __post_init__(self) -> None:
        if self.quick and self.long:
            raise MnemoscopeError(
                "--quick and --long",
                expected="one of them at most",
                todo="remove one of them",
                field="quick",
            )


SCALE_OPTIONS = ScaleOptions()


def claims(
    *names: str,
    all: bool = False,
    scale: ScaleOptions = SCALE_OPTIONS,
    out: Place = None,
    fail: bool = False,
    workers: int | None = None,
    run: RunOptions = RUN_OPTIONS,
    drawn: ChartOptions = CHART_OPTIONS,
) -> int:
    """Run the claims of the literature: compare what theory predicts with what is measured.

    With --out, writes claims.html, runs.parquet and claims.json, updated after each claim.

    Args:
        names: Names of claims; default: all.
        all: Run all claims, the default.
        out: Folder for the page and the table of every run; default: none.
        fail: Exit with 1 if a claim fails; default: always 0.
        workers: Number of processes, of one thread each; default: one for each core.
        scale: How much of each is run.
        run: How it is carried out.
        drawn: The charts.
    """
    if all and names:
        raise MnemoscopeError(
            f"--all and {', '.join(names)}",
            expected="all claims, or some by name",
            todo="remove one of them",
            field="all",
        )
    import_libraries()
    from mnemoscope.claims import Scale
    from mnemoscope.claims.claim import find_claim, run_claims
    from mnemoscope.sweep.executors import available_cores

    chosen = [find_claim(name).name for name in names]
    if workers is not None:
        whole_number("--workers", workers, least=1)
    check_device(run.device)
    # An accelerator computes for one claim after the other: they would share its memory.
    many = workers or (available_cores() if run.device == "cpu" else 1)
    effort = "quick" if scale.quick else "long" if scale.long else "default"
    chosen_scale = Scale(effort, scale.seeds, run.seed, run.device)
    results: list[ClaimResult] = []
    with ExitStack() as stack:
        folder = None
        if out is not None:
            settings = {"claims": chosen or "all", **vars(chosen_scale)}
            folder = stack.enter_context(claimed(out, settings, force=run.force))
            check_targets(folder.path, [PAGE, RUNS, RESULTS, INDEX])
        if drawn.charts is not None:
            # Before hours of work, not after.
            make_folder(drawn.charts)
        show = stack.enter_context(progress("claims"))

        if run.device == "cpu":
            stack.enter_context(one_thread())
        for result in run_claims(
            chosen, chosen_scale, workers=many, on_change=lambda left: show(_names(left, many))
        ):
            results = sorted([*results, result], key=lambda each: each.claim.number)
            _keep(results, result, folder, drawn)
    rows = [result.row() for result in results]
    if run.json:
        print_json(rows)
    else:
        _print(rows)
        if folder is not None:
            print_lines("", str(folder.path / PAGE))
    return FOUND if fail and any(row["verdict"] == "fails" for row in rows) else 0


def _keep(
    results: Sequence["ClaimResult"],
    newest: "ClaimResult",
    folder: RunFolder | None,
    drawn: ChartOptions,
) -> None:
    """Writes the folder with the results so far, and the figures of the newest as files."""
    from mnemoscope.plots.draw import draw
    from mnemoscope.report.export import write_each

    if folder is not None:
        _write(folder, results)
    if drawn.charts is not None:
        figures = enumerate(newest.figures(), 1)
        charts = {f"{newest.name}-{k}": draw(figure) for k, figure in figures}
        write_each(charts, drawn.charts, drawn.file_format)


def _names(left: Sequence["Claim"], many: int) -> str:
    """Names the claims that run, and counts those that are not complete."""
    return f"{', '.join(claim.name for claim in left[:many])} ({len(left)} not complete)"


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints a table of claims, with prediction, measurement and verdict."""
    columns = ("claim", "predicted", "measured", "difference", "tolerance", "verdict", "runs", "s")
    table = plain_table(columns, words=("claim", "verdict"))
    for row in rows:
        numbers = [_short(row[name]) for name in columns[1:5]]
        runs = f"{row['interpolated']} of {row['runs']}"
        verdict = row["verdict"].replace("_", " ")
        table.add_row(row["name"], *numbers, verdict, runs, f"{row['seconds']:.1f}")
    with printed_console() as console:
        console.print(table)
        for row in rows:
            console.print(f"\n{row['name']}: {row['statement']}", soft_wrap=True, style="bold")
            for check in row["checks"]:
                verdict = check["verdict"].replace("_", " ")
                console.print(
                    f"  {verdict}: {check['what']}: predicted {_short(check['predicted'])}, "
                    f"measured {_short(check['measured'])} "
                    f"(tolerance {_short(check['tolerance'])})",
                    soft_wrap=True,
                )
            if row["regime"]:
                console.print(f"  regime: {row['regime']['words']}", soft_wrap=True)
            if row["reach"]:
                console.print(f"  reach: {row['reach']}", soft_wrap=True)
            if row["note"]:
                console.print(f"  {row['note']}", soft_wrap=True)


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


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
