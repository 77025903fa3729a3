"""`mnemoscope compare`: two audits side by side, before and after a mitigation."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import check_target
from mnemoscope.base.publishing import publishing
from mnemoscope.cli.computing import import_libraries
from mnemoscope.cli.invocation import FOUND
from mnemoscope.cli.options import Place
from mnemoscope.cli.printing import plain_table, print_json, print_lines, printed_console
from mnemoscope.cli.run_folder import find_audit, naming_damaged

if TYPE_CHECKING:
    from mnemoscope.results.comparison import Comparison

PAGES = (".html", ".htm")


def compare(
    before: str,
    after: str,
    *,
    out: Place = None,
    fail_on_worse: bool = False,
    json: bool = False,
) -> int:
    """Set two audits side by side: before and after a mitigation.

    Every difference of rates has its 95% interval. With --out, writes a page.

    Args:
        before: A run's folder, or an audit's.
        after: The same, of the network after the change.
        out: A page to write; default: none.
        fail_on_worse: Exit with 1 if more is memorized after; default: always 0.
        json: Print the summary as JSON, for programs.
    """
    if out is not None and Path(out).suffix.lower() not in PAGES:
        raise MnemoscopeError(
            f"--out {out}",
            expected=f"the name of a page, with {' or '.join(PAGES)} at its end",
            todo="change the name",
        )
    if out is not None:
        check_target(Path(out))
    import_libraries()
    from mnemoscope.report.comparison import write_comparison_page
    from mnemoscope.results import Audit
    from mnemoscope.results.comparison import compare

    audits = [Audit.load(find_audit(path)[0]) for path in (before, after)]
    with naming_damaged(f"the audits in {before} and {after}, which cannot be compared"):
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
    return FOUND if fail_on_worse and comparison.worse else 0


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
    from mnemoscope.results.comparison import CHANGES, RECALLED

    table = plain_table(("", "before", "after", "difference", "95%", ""), words=[""])
    # The other rates of recall would bury the rest; the page and --json have them.
    shown = comparison.table.filter(pl.col("main") | ~pl.col("measure").str.starts_with(RECALLED))
    for row in measure_rows(shown):
        change = (
            Text("worse", style="bold red")
            if row.name in comparison.worse
            else Text(row.significance)
        )
        table.add_row(row.name, row.before, row.after, row.difference, row.interval, change)
    with printed_console() as console:
        soft_wrap = not console.is_terminal
        console.print(Text(comparison.verdict, style="bold"), soft_wrap=soft_wrap)
        sides = (("before", comparison.before), ("after", comparison.after))
        verdicts = [f"{side}: {audit.verdict}" for side, audit in sides]
        for line in (*verdicts, *comparison.warnings):
            console.print(Text(line), soft_wrap=soft_wrap)
        console.print(table)
        for change in (CHANGES[True, False], CHANGES[False, True]):
            rows = comparison.examples.filter(comparison.examples["change"] == change)
            if rows.height:
                console.print(Text(f"{change}: {listed(rows['index'].to_list())}"), soft_wrap=True)
