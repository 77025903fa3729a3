"""`mnemoscope sweep report`: the page of a sweep, its charts as files, its rows as tables."""

from pathlib import Path
from typing import Annotated, Any

import polars as pl
from cyclopts import Parameter

from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import publishing
from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.invocation import command
from mnemoscope.cli.options import Charts, Format, Json, Place, check_format
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.sweep.arguments import SweepName


def report(
    place: Annotated[
        str,
        Parameter(help="The folder or URL of the sweep, or one Parquet file of its rows."),
    ],
    *,
    sweep: SweepName = None,
    out: Annotated[
        Place,
        Parameter(
            help="The page; if left out, report.html in the folder, or NAME.html here for a URL or "
            "a file."
        ),
    ] = None,
    charts: Charts = None,
    format: Format = None,
    table: Annotated[
        Place,
        Parameter(help="A Parquet file to write all rows to; not written if left out."),
    ] = None,
    settings: Annotated[
        Place,
        Parameter(
            help="A file to write each share and mean to, with its 95% interval and its runs: of "
            "each value of a factor and of each combination; CSV, or Parquet if it ends so. Not "
            "written if left out."
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Write a page of phase diagrams: heat maps, curves, pictures, each point with its run."""
    chosen = check_format(format, charts)
    import_libraries()
    from mnemoscope.report.sweep import (
        write_sweep_charts,
        write_sweep_page,
        write_sweep_settings,
    )
    from mnemoscope.sweep import load
    from mnemoscope.sweep.load import naming_broken

    with naming_broken(place):
        known = _of_file(place) if place.endswith(".parquet") else _of_store(place, sweep)
        name, factors = known["name"], known["factors"]
        rows = load(place, None if place.endswith(".parquet") else name)
        if out is None:
            inside = "://" not in place and Path(place).is_dir()
            out = str(Path(place) / "report.html") if inside else f"{name}.html"
        written = [Path(out)]
        # Everything is written aside before anything is replaced.
        with publishing() as new:
            # Each of them refuses what cannot be written to before the work of them all.
            page = new.file(out)
            drawn = None if charts is None else new.folder(charts)
            copied = None if table is None else new.file(table)
            told = None if settings is None else new.file(settings)
            write_sweep_page(rows, page, **known)
            if charts is not None and drawn is not None:
                files = write_sweep_charts(rows, factors, drawn, format=chosen)
                written += [Path(charts) / file.name for file in files]
            if table is not None and copied is not None:
                with replacing(copied) as temporary:
                    every = rows.sort(*factors, "seed").collect()
                    every.write_parquet(temporary, compression="zstd")
                written.append(Path(table))
            if settings is not None and told is not None:
                write_sweep_settings(rows, factors, told)
                written.append(Path(settings))
    if json:
        print_json({"written": [str(path) for path in written]})
    else:
        print_lines(*map(str, written))
    return 0


def _of_store(place: str, sweep: str | None) -> dict[str, Any]:
    """What the page tells besides the rows: from the notes of the sweep."""
    from mnemoscope.sweep import status
    from mnemoscope.sweep.load import read_note
    from mnemoscope.sweep.store import open_store

    note = read_note(open_store(place), sweep)
    (stands,) = status(place, note["name"])
    told = ("begun", "seen", "host", "code", "versions", "design")
    return {
        "name": note["name"],
        "about": note["design"].get("about", ""),
        "factors": note["factors"],
        "planned": stands.planned,
        "failures": [{"reason": one.reason, "runs": len(one.keys)} for one in stands.failures],
        "provenance": {
            "date": note["seen"],
            "command": command(),
            "store": place,
            **{name: note[name] for name in told if name in note},
        },
    }


def _of_file(place: str) -> dict[str, Any]:
    """The same of a file of rows: what varies in it is what was varied."""
    from mnemoscope.sweep import load
    from mnemoscope.sweep.load import check_rows
    from mnemoscope.sweep.rows import SETTINGS

    rows = load(place)
    columns = check_rows(place, rows, needed=("key", "status", "seed"))
    fields = [name for name in SETTINGS if name in columns]
    counted = rows.select(pl.len(), pl.col(*fields).n_unique().name.prefix("of_")).collect()
    found = counted.row(0, named=True)
    return {
        "name": Path(place).stem,
        "about": "",
        "factors": [name for name in fields if name != "seed" and found[f"of_{name}"] > 1],
        "planned": found["len"],
        "failures": [],
        "provenance": {"command": command(), "store": place},
    }
