"""A sweep as one HTML file that opens with no network: maps, curves, pictures and runs."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from altair.typing import ChartType
from markupsafe import Markup

from mnemoscope.files import replacing
from mnemoscope.report.embedding import environment, page_spec, safe_json, source
from mnemoscope.report.numbers import number, percent, pretty, setting
from mnemoscope.report.page import Figure
from mnemoscope.report.rates import Rate
from mnemoscope.report.sweep.charts import curve_name, has_charts, pair_name
from mnemoscope.report.sweep.curves import curves
from mnemoscope.report.sweep.happenings import (
    NONE,
    happenings_charts,
    measured_happenings,
    panels_left_out,
)
from mnemoscope.report.sweep.heat import pair_maps
from mnemoscope.report.sweep.multiples import MOST_COLUMNS, MOST_ROWS, multiples_chart
from mnemoscope.report.sweep.pictures import picked_runs
from mnemoscope.report.sweep.runs import representatives, run_details, with_links
from mnemoscope.report.sweep.shares import leading_share
from mnemoscope.report.sweep.tables import SweepTables, rated, sweep_tables
from mnemoscope.report.sweep.troubles import troubles

STATUSES = {
    "interpolated": "interpolated", "not_interpolated": "did not interpolate",
    "diverged": "diverged",
}  # fmt: skip
"""What becomes of a run, in words."""

STORE = "STORE"
"""Stands for the store in a command where the provenance does not tell it."""


def write_sweep_page(
    rows: pl.LazyFrame,
    path: str | os.PathLike[str],
    *,
    name: str,
    about: str,
    factors: Sequence[str],
    planned: int,
    failures: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
) -> Path:
    """Writes a sweep as one self-contained HTML file.

    A share is pooled over runs, each of which counts as one observation; see
    `mnemoscope.report.sweep.tables.rated` for the interval.

    Args:
        rows: The table, as `mnemoscope.sweep.load` gives it; it may be empty.
        path: The file.
        name: Of the sweep.
        about: What it is for, in a sentence or more.
        factors: Columns that the design varies, without the seed.
        planned: How many runs the design has.
        failures: What failed: a `reason`, and `runs`, a count or a sequence.
        provenance: As told at the end; its `store` is named in the commands that show a run.

    Returns:
        The path.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    tables = sweep_tables(rows, factors)
    env = environment()
    env.filters.update(number=number, percent=percent, pretty=pretty, setting=setting)
    text = env.get_template("sweep.html.jinja").render(
        style=Markup(source(env, "page.css")),
        script=Markup(source(env, "charts.js")),
        name=name,
        about=about,
        provenance=provenance,
        command=f"mnemoscope sweep show {shlex.quote(str(provenance.get('store', STORE)))}",
        statuses=STATUSES,
        **_counts(tables, planned, failures),
        **_contents(tables),
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def _counts(
    tables: SweepTables, planned: int, failures: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    overall = tables.overall.row(0, named=True)
    done = overall["count:runs"] or 0
    lost, diverged = overall["count:not_interpolated"] or 0, overall["count:diverged"] or 0
    told = [{"reason": failure["reason"], "runs": _count(failure["runs"])} for failure in failures]
    return {
        "planned": planned,
        "done": done,
        "interpolated": done - lost,
        "not_interpolated": lost - diverged,
        "diverged": diverged,
        "failures": told,
        "failed": sum(failure["runs"] for failure in told),
    }


def _count(runs: Any) -> int:
    return runs if isinstance(runs, int) else len(runs)


def _contents(tables: SweepTables) -> dict[str, Any]:
    runs = representatives(tables)
    linked = replace(tables, pools=with_links(tables.pools, runs))
    worst, troubled = troubles(tables)
    return {
        "factors": [factor.title for factor in tables.factors],
        "binned": [factor.title for factor in tables.factors if factor.binned],
        "pooled": [factor.title for factor in tables.factors if factor.pooled],
        "constant": {factor.title: factor.labels[0] for factor in tables.constant},
        "missing": tables.missing,
        "overall": _overall(tables),
        **(_charts(linked) if has_charts(linked) else _NO_CHARTS),
        "third": tables.factors[2].title if tables.factors[2:] else "",
        "panels_left_out": panels_left_out(tables.factors[2]) if tables.factors[2:] else [],
        "leading": leading_share(tables.shares),
        "none": NONE,
        "pick": picked_runs(tables),
        "runs": _runs(tables, runs),
        "settings_total": tables.settings.height,
        "troubles": worst,
        "troubled": troubled,
    }


_NO_CHARTS: dict[str, Any] = {
    "happenings": [], "happening_names": [], "pairs": [], "curves": [], "multiples": None,
    "multiples_left_out": [],
}  # fmt: skip


def _charts(tables: SweepTables) -> dict[str, Any]:
    multiples = multiples_chart(tables)
    return {
        "happenings": [
            _figure(name, chart, "What happens: " + name.replace("-", " "))
            for name, chart in happenings_charts(tables).items()
        ],
        "happening_names": [share.name for share in measured_happenings(tables)],
        "pairs": [
            {
                "title": f"{x.replace('_', ' ')} and {y.replace('_', ' ')}",
                "figures": [
                    _figure(pair_name(share, x, y), chart, f"The {share} share against {x} and {y}")
                    for share, chart in maps.items()
                ],
            }
            for (x, y), maps in pair_maps(tables).items()
        ],
        "curves": [
            _figure(curve_name(x, by), chart, f"Against {x}, coloured by {by}")
            for (x, by), chart in curves(tables).items()
        ],
        "multiples": None
        if multiples is None
        else _figure("multiples", multiples, f"Against {tables.factors[0].title}, in panels"),
        "multiples_left_out": [
            f"{factor.title} {label}"
            for factor, most in zip(tables.factors[1:3], (MOST_COLUMNS, MOST_ROWS), strict=False)
            for label in panels_left_out(factor, most)
        ],
    }


def _figure(name: str, chart: ChartType, words: str) -> Figure:
    return Figure(name, words, safe_json(page_spec(chart)))


def _overall(tables: SweepTables) -> list[dict[str, Any]]:
    """Each share over all runs that count for it."""
    told = []
    for name, share in tables.shares.items():
        row = rated(tables.overall, name).row(0, named=True)
        if row["runs"]:
            rate = Rate(row["rate"], row["low"], row["high"])
            told.append({"name": name, "words": share.words, "rate": rate, "runs": row["runs"],
                         "colour": share.colour})  # fmt: skip
    return told


def _runs(tables: SweepTables, runs: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows of the table of runs: each with its own values of the factors, in order."""
    return [
        {
            "key": row["key"],
            "setting": [_value(row[factor.name], factor.numeric) for factor in tables.factors],
            "seed": row.get("seed"),
            "status": STATUSES.get(row.get("status") or "", row.get("status")),
            "loss": row.get("loss"),
            "steps": row.get("steps"),
            "stored": row.get("stored"),
            "of": row.get("n"),
        }
        for row in run_details(tables, runs).iter_rows(named=True)
    ]


def _value(value: Any, numeric: bool) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return setting(value) if numeric else str(value)
