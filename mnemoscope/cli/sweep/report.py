"""`mnemoscope sweep report`: the page of a sweep, and its charts as files."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.invocation import command
from mnemoscope.cli.options import Json, Place
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.sweep.arguments import StorePlace, SweepName
from mnemoscope.errors import MnemoscopeError


def report(
    place: StorePlace,
    *,
    sweep: SweepName = None,
    out: Annotated[
        Place,
        Parameter(help="The page; report.html in the folder if left out (NAME.html of a URL)."),
    ] = None,
    charts: Annotated[
        Place, Parameter(help="A folder to write each chart to; no charts if left out.")
    ] = None,
    format: Annotated[
        Literal["svg", "pdf", "png", "html"] | None,
        Parameter(help="Of the charts; svg if left out."),
    ] = None,
    json: Json = False,
) -> int:
    """Write a page of phase diagrams: heat maps, curves, pictures, each point with its run."""
    if format is not None and charts is None:
        raise MnemoscopeError(
            f"--format {format} without --charts",
            expected="a folder to write the charts to",
            todo="pass --charts FOLDER",
        )
    import_libraries()
    from mnemoscope.report.sweep import write_sweep_charts, write_sweep_page
    from mnemoscope.sweep.load import load, read_note
    from mnemoscope.sweep.status import status
    from mnemoscope.sweep.store import open_store

    note = read_note(open_store(place), sweep)
    name = note["name"]
    (stands,) = status(place, name)
    rows = load(place, name)
    if out is None:
        out = f"{name}.html" if "://" in place else str(Path(place) / "report.html")
    failures = [{"reason": one.reason, "runs": len(one.keys)} for one in stands.failures]
    written = [
        write_sweep_page(
            rows,
            out,
            name=name,
            about=note["design"].get("about", ""),
            factors=note["factors"],
            planned=stands.planned,
            failures=failures,
            provenance=_provenance(note),
        )
    ]
    if charts is not None:
        written += write_sweep_charts(rows, note["factors"], charts, format=format or "svg")
    if json:
        print_json({"written": [str(path) for path in written]})
    else:
        print_lines(*map(str, written))
    return 0


def _provenance(note: dict[str, Any]) -> dict[str, Any]:
    told = ("begun", "seen", "host", "code", "versions", "design")
    return {
        "date": note["seen"],
        "command": command(),
        **{name: note[name] for name in told if name in note},
    }
