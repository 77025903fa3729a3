"""`mnemoscope report`: the page and the charts of an audit, drawn again."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.options import Charts, Format, Json, Place, check_format
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.run_folder import made, open_run, staging
from mnemoscope.errors import MnemoscopeError
from mnemoscope.files import replacing


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
    import mnemoscope as mn
    from mnemoscope.report import write_charts

    chosen = check_format(format, charts)
    folder = Path(run)
    if (folder / "audit.json").exists():
        place, page = folder, folder / "report.html"
    else:
        opened = open_run(folder)
        place, page = opened.audit, opened.report
    page = page if out is None else Path(out)
    with ExitStack() as stack:
        # Everything is drawn before anything is replaced.
        places = {page.parent: _staged(stack, page.parent)}
        if charts is not None and Path(charts) not in places:
            places[Path(charts)] = _staged(stack, Path(charts))
        try:
            audit = mn.Audit.load(place)
            drawn = [(audit.to_html(places[page.parent] / page.name), page)]
            if charts is not None:
                files = write_charts(audit, places[Path(charts)], format=chosen)
                drawn += [(file, Path(charts) / file.name) for file in files]
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
        for _, target in drawn:
            if target.is_dir():
                raise MnemoscopeError(
                    f"{target}, which is a folder",
                    expected="a path for a file",
                    todo="name a file inside it",
                )
        for file, target in drawn:
            with replacing(target) as temporary:
                file.replace(temporary)
    written = [str(target) for _, target in drawn]
    if json:
        print_json({"written": written})
    else:
        print_lines(*written)
    return 0


def _staged(stack: ExitStack, folder: Path) -> Path:
    stack.enter_context(made(folder))
    return stack.enter_context(staging(folder))
