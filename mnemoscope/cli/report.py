"""`mnemoscope report`: the page and the charts of an audit, drawn again."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from mnemoscope.cli.options import Json
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.run_folder import open_run


def report(
    run: Annotated[str, Parameter(help="A run's folder, or an audit's.")],
    *,
    out: Annotated[str | None, Parameter(help="The page; RUN/report.html if left out.")] = None,
    charts: Annotated[str | None, Parameter(help="A folder to write each chart to.")] = None,
    format: Annotated[
        Literal["svg", "pdf", "png", "html"], Parameter(help="Of the charts.")
    ] = "svg",
    json: Json = False,
) -> int:
    """Write the page of an audit again, and its charts as files."""
    import mnemoscope as mn
    from mnemoscope.report import write_charts

    folder = Path(run)
    if (folder / "audit.json").exists():
        audit, page = mn.Audit.load(folder), folder / "report.html"
    else:
        opened = open_run(folder)
        audit, page = mn.Audit.load(opened.audit), opened.report
    written = [audit.to_html(out or page)]
    if charts is not None:
        written += write_charts(audit, charts, format=format)
    if json:
        print_json({"written": [str(path) for path in written]})
    else:
        print_lines(*map(str, written))
    return 0
