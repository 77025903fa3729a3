"""`mnemoscope report`: the page and the charts of an audit, drawn again."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.publishing import finish, publishing
from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.options import Charts, Format, Json, Place, check_format
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.run_folder import open_run


def report(
    run: Annotated[str, Parameter(help="A run's folder, or an audit's.")],
    *,
    out: Annotated[Place, Parameter(help="The page; RUN/report.html if left out.")] = None,
    charts: Charts = None,
    format: Format = None,
    json: Json = False,
) -> int:
    """Write the page of an audit again, and its charts as files."""
    import_libraries()
    from mnemoscope.report import write_charts, write_report
    from mnemoscope.results import Audit

    chosen = check_format(format, charts)
    folder = Path(run)
    finish(folder)
    if (folder / "audit.json").exists():
        place, page = folder, folder / "report.html"
    else:
        opened = open_run(folder)
        place, page = opened.audit, opened.report
    page = page if out is None else Path(out)
    # Everything is drawn before anything is replaced.
    with publishing() as new:
        try:
            drawing = new.file(page)
            staged = None if charts is None else new.folder(charts)
            audit = Audit.load(place)
            write_report(audit, drawing)
            written = [page]
            if charts is not None and staged is not None:
                files = write_charts(audit, staged, format=chosen)
                written += [Path(charts) / file.name for file in files]
        except (MnemoscopeError, OSError):
            raise
        # An index without a checksum of its own may be damaged in any way.
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise MnemoscopeError(
                f"the audit in {place}, of which no page can be made "
                f"({type(error).__name__}: {reason})",
                expected="a whole audit",
                todo="audit again",
            ) from error
    if json:
        print_json({"written": [str(path) for path in written]})
    else:
        print_lines(*map(str, written))
    return 0
