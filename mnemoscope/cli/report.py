"""`mnemoscope report`: the page and the charts of an audit, drawn again."""

from pathlib import Path

from mnemoscope.base.publishing import publishing
from mnemoscope.cli.computing import import_libraries
from mnemoscope.cli.options import CHART_OPTIONS, ChartOptions, Place
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.run_folder import find_audit, naming_damaged


def report(
    run: str, *, out: Place = None, drawn: ChartOptions = CHART_OPTIONS, json: bool = False
) -> int:
    """Write the page of an audit again, and its charts as files.

    Args:
        run: A run's folder, or an audit's.
        out: The page; default: RUN/report.html.
        drawn: The charts.
        json: Print the summary as JSON, for programs.
    """
    import_libraries()
    from mnemoscope.report import write_charts, write_report
    from mnemoscope.results import Audit

    place, page = find_audit(run)
    written = [page if out is None else Path(out)]
    # Everything is drawn before anything is replaced.
    with publishing() as new, naming_damaged(f"the audit in {place}, which cannot be drawn"):
        drawing = new.file(written[0])
        staged = None if drawn.charts is None else new.folder(drawn.charts)
        audit = Audit.load(place)
        write_report(audit, drawing)
        if drawn.charts is not None and staged is not None:
            files = write_charts(audit, staged, format=drawn.file_format)
            written += [Path(drawn.charts) / file.name for file in files]
    if json:
        print_json({"written": [str(path) for path in written]})
    else:
        print_lines(*map(str, written))
    return 0
