"""`mnemoscope sweep report`: the page of a sweep, its charts as files, its rows as tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import publishing
from mnemoscope.cli.computing import import_libraries
from mnemoscope.cli.invocation import command
from mnemoscope.cli.options import CHART_OPTIONS, ChartOptions, Place
from mnemoscope.cli.printing import print_json, print_lines

if TYPE_CHECKING:
    import polars as pl


def report(
    place: str,
    *,
    sweep: str | None = None,
    out: Place = None,
    drawn: ChartOptions = CHART_OPTIONS,
    table: Place = None,
    settings: Place = None,
    json: bool = False,
) -> int:
    """Write a page of phase diagrams: heat maps, curves, pictures, each point with its run.

    Args:
        place: The folder or URL of the sweep, or one Parquet file of its rows.
        sweep: The sweep of the folder; default: the latest one.
        out: The page; default: report.html in the folder, or NAME.html here for a URL or a file.
        table: A Parquet file to write all rows to; default: not written.
        settings: A file to write each share and mean to, with its 95% interval and its runs: of
            each value of a factor and of each combination; CSV, or Parquet if it ends so; default:
            not written.
        drawn: The charts.
        json: Print the summary as JSON, for programs.
    """
    import_libraries()
    from mnemoscope.sweep import load
    from mnemoscope.sweep.loading import naming_broken

    with naming_broken(place):
        known = _of_file(place) if place.endswith(".parquet") else _of_store(place, sweep)
        name = known["about"]["name"]
        rows = load(place, None if place.endswith(".parquet") else name)
        if out is None:
            inside = "://" not in place and Path(place).is_dir()
            out = str(Path(place) / "report.html") if inside else f"{name}.html"
        written = _write(rows, known, out, drawn, table, settings)
    if json:
        print_json({"written": [str(path) for path in written]})
    else:
        print_lines(*map(str, written))
    return 0


def _write(
    rows: "pl.LazyFrame",
    known: Mapping[str, Any],
    out: str,
    drawn: ChartOptions,
    table: str | None,
    settings: str | None,
) -> list[Path]:
    """Writes the page and, if they have a place, charts, rows and settings; the files written."""
    from mnemoscope.report.sweep import write_sweep_charts, write_sweep_page, write_sweep_settings
    from mnemoscope.sweep.measurements import quantities_of

    quantities = quantities_of(rows.collect_schema().names(), known["quantities"])
    axes = known["axes"]
    charts = drawn.charts
    written = [Path(out)]
    # Everything is written to temporary files before anything is replaced.
    with publishing() as new:
        # Each of these refuses a place that cannot be written to before all the work.
        page = new.file(out)
        staged = None if charts is None else new.folder(charts)
        copied = None if table is None else new.file(table)
        numbers = None if settings is None else new.file(settings)
        shown = {name: known[name] for name in ("axes", "about", "planned", "failures")}
        write_sweep_page(rows, page, quantities=quantities, **shown)
        if charts is not None and staged is not None:
            files = write_sweep_charts(rows, axes, quantities, staged, format=drawn.file_format)
            written += [Path(charts) / file.name for file in files]
        if table is not None and copied is not None:
            varied = (column for axis in axes for column in axis.columns)
            with replacing(copied) as temporary:
                rows.sort(*varied, "seed").collect().write_parquet(temporary, compression="zstd")
            written.append(Path(table))
        if settings is not None and numbers is not None:
            write_sweep_settings(rows, axes, quantities, numbers)
            written.append(Path(settings))
    return written


def _of_store(place: str, sweep: str | None) -> dict[str, Any]:
    """Returns what the page shows besides the rows, from the notes of the sweep."""
    from mnemoscope.sweep import status
    from mnemoscope.sweep.ledger import read_note
    from mnemoscope.sweep.store import Store

    note = read_note(Store(place), sweep)
    (found,) = status(place, note["name"])
    recorded = ("begun", "seen", "host", "code", "versions", "design")
    return {
        "axes": stored_axes(note["design"], note["factors"]),
        "quantities": note.get("quantities", ()),
        "about": {
            "name": note["name"],
            "about": note["design"].get("about", ""),
            "provenance": {
                "date": note["seen"],
                "command": command(),
                "store": place,
                **{name: note[name] for name in recorded if name in note},
            },
        },
        "planned": found.planned,
        "failures": [{"reason": one.reason, "runs": len(one.keys)} for one in found.failures],
    }


def stored_axes(design: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    """Returns the axes of a stored design; each column alone if the design cannot be read."""
    from mnemoscope.report.sweep import Axis, Sampled
    from mnemoscope.sweep import Design

    try:
        fields = Design(**design).to_dict()
    except MnemoscopeError:
        return [Axis((name,)) for name in columns]

    def varied(*paths: str) -> tuple[str, ...]:
        names = {path.rpartition(".")[2] for path in paths}
        # Widths that are lists have a column of their own.
        names |= {"widths"} if "width" in names else set()
        return tuple(name for name in columns if name in names)

    axes = [Axis(varied(path)) for path in fields["grid"]]
    axes += [Axis(varied(*table)) for table in fields["zip"]]
    sample = {"seed": None, "count": 0, **(fields["sample"] or {})}
    count, _ = sample.pop("count"), sample.pop("seed")
    for path, drawn in sample.items():
        found = None
        if "choices" not in drawn:
            low, high, log = drawn["low"], drawn["high"], drawn.get("scale") == "log"
            found = Sampled(low, high, log=log, whole=drawn.get("whole", False), count=count)
        axes.append(Axis(varied(path), found))
    return axes


def _of_file(place: str) -> dict[str, Any]:
    """Returns the same for a file of rows: each column that varies is an axis."""
    import polars as pl

    from mnemoscope.report.sweep import Axis
    from mnemoscope.sweep import load
    from mnemoscope.sweep.columns import SETTINGS
    from mnemoscope.sweep.loading import check_rows

    rows = load(place)
    columns = check_rows(place, rows, needed=("key", "status", "seed"))
    fields = [name for name in SETTINGS if name in columns]
    counted = rows.select(pl.len(), pl.col(*fields).n_unique().name.prefix("of_")).collect()
    found = counted.row(0, named=True)
    return {
        "axes": [Axis((name,)) for name in fields if name != "seed" and found[f"of_{name}"] > 1],
        "quantities": (),
        "about": {
            "name": Path(place).stem,
            "about": "",
            "provenance": {"command": command(), "store": place},
        },
        "planned": found["len"],
        "failures": [],
    }
