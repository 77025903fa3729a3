"""`mnemoscope compare`: two audits side by side, before and after a mitigation."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import check_target
from mnemoscope.base.publishing import finish, publishing
from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.options import Json, Place
from mnemoscope.cli.printing import WIDE, print_json, print_lines
from mnemoscope.cli.run_folder import open_run

if TYPE_CHECKING:
    from mnemoscope.results import Audit
    from mnemoscope.results.comparison import Comparison

PAGES = (".html", ".htm")

WORSE = 1
"""Exit status where more is memorized after, and `--fail-on-worse` was asked for."""


def compare(
    before: Annotated[str, Parameter(help="A run's folder, or an audit's.")],
    after: Annotated[str, Parameter(help="The same, of the network after the change.")],
    *,
    out: Annotated[Place, Parameter(help="A page to write; none if left out.")] = None,
    fail_on_worse: Annotated[
        bool,
        Parameter(
            negative=(), help="Exit with 1 if more is memorized after; with 0 always if not."
        ),
    ] = False,
    json: Json = False,
) -> int:
    """Set two audits side by side: before and after a mitigation.

    Every difference of rates has its 95% interval. With --out, writes a page.
    """
    if out is not None and Path(out).suffix.lower() not in PAGES:
        raise MnemoscopeError(
            f"--out {out}", expected=f"a page, {' or '.join(PAGES)}", todo="name it so"
        )
    if out is not None:
        check_target(Path(out))
    import_libraries()
    from mnemoscope.report.comparison import write_comparison_page
    from mnemoscope.results.comparison import compare

    audits = _audit_of(before), _audit_of(after)
    with _whole_audits(before, after):
        comparison = compare(*audits)
        record = _for_programs(comparison, out)
        if out is not None:
            with publishing() as new:
                write_comparison_page(comparison, new.file(out))
    if json:
        print_json(record)
    else:
        _print(comparison)
        if out is not None:
            print_lines("", out)
    return WORSE if fail_on_worse and comparison.worse else 0


def _audit_of(path: str) -> "Audit":
    """The audit in a folder of its own or in a run's."""
    from mnemoscope.results import Audit
    from mnemoscope.results.audit import KIND

    folder = Path(path)
    finish(folder)
    return Audit.load(folder if (folder / KIND.index).exists() else open_run(folder).audit)


@contextmanager
def _whole_audits(before: str, after: str) -> Iterator[None]:
    """Tells that an audit lacks something; an index without a checksum may be damaged anyhow."""
    try:
        yield
    except (MnemoscopeError, OSError):
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise MnemoscopeError(
            f"the audits in {before} and {after}, which cannot be compared "
            f"({type(error).__name__}: {reason})",
            expected="two whole audits",
            todo="audit again",
        ) from error


def _for_programs(comparison: "Comparison", page: str | None) -> dict[str, Any]:
    return {
        "verdict": comparison.verdict,
        **{
            side: {"name": audit.summary.name, "verdict": audit.verdict}
            for side, audit in (("before", comparison.before), ("after", comparison.after))
        },
        "worse": list(comparison.worse),
        "same_data": comparison.same_data,
        "warnings": list(comparison.warnings),
        "changes": {name: list(values) for name, values in comparison.changes.items()},
        "measures": comparison.table.to_dicts(),
        "examples": comparison.examples.to_dicts(),
        "page": page,
    }


def _print(comparison: "Comparison") -> None:
    """Prints the verdict, what else differs, and the measures; names are folded, numbers never."""
    import polars as pl

    from mnemoscope.base.text import listed
    from mnemoscope.report.comparison import measure_rows
    from mnemoscope.results.comparison import CHANGES
    from mnemoscope.results.comparison_measures import RECALLED

    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width: nothing in it need be cut short.
        console = Console(highlight=False, width=WIDE)
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    for column in ("", "before", "after", "difference", "95%", ""):
        table.add_column(column, justify="right" if column else "left", no_wrap=bool(column))
    # The other rates of recall would bury the rest; the page and --json have them.
    shown = comparison.table.filter(pl.col("main") | ~pl.col("measure").str.starts_with(RECALLED))
    for row in measure_rows(shown):
        change = (
            Text("worse", style="bold red")
            if row.name in comparison.worse
            else Text(row.significance)
        )
        table.add_row(row.name, row.before, row.after, row.difference, row.interval, change)
    with console.capture() as text:
        console.print(Text(comparison.verdict, style="bold"), soft_wrap=not console.is_terminal)
        sides = (("before", comparison.before), ("after", comparison.after))
        verdicts = [f"{side}: {audit.verdict}" for side, audit in sides]
        for line in (*verdicts, *comparison.warnings):
            console.print(Text(line), soft_wrap=not console.is_terminal)
        console.print(table)
        for change in (CHANGES[True, False], CHANGES[False, True]):
            rows = comparison.examples.filter(comparison.examples["change"] == change)
            if rows.height:
                console.print(Text(f"{change}: {listed(rows['index'].to_list())}"), soft_wrap=True)
    print_lines(*text.get().rstrip("\n").split("\n"))
