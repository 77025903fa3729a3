"""A sweep as one HTML file that opens with no network: maps, curves, pictures and runs."""

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from altair.typing import ChartType
from markupsafe import Markup

from mnemoscope.base.files import replacing
from mnemoscope.base.stats import Estimate
from mnemoscope.base.text import number, percent, pretty
from mnemoscope.report.embedding import environment, page_spec, safe_json, source
from mnemoscope.report.page import Figure
from mnemoscope.report.sweep.binning import binned_tables, in_bins
from mnemoscope.report.sweep.charts import curve_name, fit, has_charts, pair_name
from mnemoscope.report.sweep.curves import MOST_BANDS, curves
from mnemoscope.report.sweep.factors import written
from mnemoscope.report.sweep.happenings import (
    NONE,
    happenings_charts,
    measured_happenings,
    panels_left_out,
)
from mnemoscope.report.sweep.heat import pair_maps
from mnemoscope.report.sweep.measured import Number, Quantity
from mnemoscope.report.sweep.multiples import MOST_COLUMNS, MOST_ROWS, multiples_chart
from mnemoscope.report.sweep.nesting import drawn_tables, gaps, leading
from mnemoscope.report.sweep.number_charts import number_charts
from mnemoscope.report.sweep.pictures import picked_runs
from mnemoscope.report.sweep.runs import representatives, run_details, with_links
from mnemoscope.report.sweep.settings import answers
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
        provenance: As told at the end; its `store` is named in the command that shows a run.

    Returns:
        The path.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    tables = sweep_tables(rows, factors)
    place = shlex.quote(str(provenance.get("store", STORE)))
    env = environment()
    env.filters.update(number=number, percent=percent, pretty=pretty)
    text = env.get_template("sweep.html.jinja").render(
        style=Markup(source(env, "page.css")),
        script=Markup(source(env, "charts.js")),
        name=name,
        about=about,
        provenance=provenance,
        command=f"mnemoscope sweep show {place}",
        settings_command=f"mnemoscope sweep report {place} --settings FILE",
        statuses=STATUSES,
        **_counts(tables, planned, failures),
        **_contents(tables),
    )
    with replacing(path) as temporary:
        # The name of a file need not be UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
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
    drawn, bonds = drawn_tables(tables)
    runs = representatives(drawn)
    binned, bins = binned_tables(drawn)
    linked = replace(binned, pools=with_links(binned.pools, in_bins(runs, bins)))
    first = leading(linked)
    third = first.factors[2] if first.factors[2:] else None
    worst, troubled = troubles(tables)
    return {
        "factors": [factor.title for factor in tables.factors],
        "bonds": bonds,
        "gaps": gaps(binned),
        "first": [factor.words for factor in first.factors],
        "binned": [factor.title for factor in binned.factors if factor.binned],
        "pooled": [factor.title for factor in tables.factors if factor.pooled],
        "constant": {factor.title: factor.labels[0] for factor in tables.constant},
        "missing": tables.missing,
        "overall": _overall(tables),
        "answers": answers(binned),
        **(_charts(linked, first) if has_charts(linked) else _NO_CHARTS),
        "panels_left_out": [] if third is None else panels_left_out(third),
        "pooled_rest": len(drawn.factors) > len(first.factors),
        "most_banded": MOST_BANDS,
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
    "multiples_left_out": [], "measured": [], "undrawn": None,
}  # fmt: skip


def _charts(tables: SweepTables, first: SweepTables) -> dict[str, Any]:
    multiples = multiples_chart(first)
    titles = {factor.name: factor.title for factor in tables.factors}
    words = {factor.name: factor.words for factor in tables.factors}
    measured, undrawn = number_charts(tables)
    return {
        "happenings": [
            _figure(name, chart, "What happens: " + name.replace("-", " "))
            for name, chart in happenings_charts(first).items()
        ],
        "happening_names": [share.name for share in measured_happenings(first)],
        "pairs": [
            {
                "title": f"{words[x]} and {words[y]}",
                "figures": [
                    _figure(
                        pair_name(share, x, y),
                        chart,
                        f"The {tables.shares[share].title} against {titles[x]} and {titles[y]}",
                    )
                    for share, chart in maps.items()
                ],
            }
            for (x, y), maps in pair_maps(tables).items()
        ],
        "curves": [
            _figure(curve_name(x, by), chart, f"Against {words[x]}, colored by {titles[by]}")
            for (x, by), chart in curves(tables).items()
        ],
        "multiples": None
        if multiples is None
        else _figure("multiples", multiples, f"Against {first.factors[0].words}, in panels"),
        "multiples_left_out": [
            f"{factor.title} {label}"
            for factor, most in zip(first.factors[1:3], (MOST_COLUMNS, MOST_ROWS), strict=False)
            for label in panels_left_out(factor, most)
        ],
        "measured": [
            {
                **_headed(one.quantity),
                "curves": [_figure(fit(name), *told) for name, told in one.curves.items()],
                "maps": [_figure(fit(name), *told) for name, told in one.maps.items()],
            }
            for one in measured
        ],
        "undrawn": undrawn,
    }


def _headed(quantity: Quantity) -> dict[str, str]:
    """The heading of a quantity, a function of the user's own by its column, and what it tells."""
    if isinstance(quantity, Number):
        own = quantity.own
        return {"title": quantity.name if own else _capital(quantity.title), "words": ""}
    return {"title": _capital(quantity.title), "words": _capital(quantity.words)}


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _figure(name: str, chart: ChartType, words: str) -> Figure:
    return Figure(name, words, safe_json(page_spec(chart)))


def _overall(tables: SweepTables) -> list[dict[str, Any]]:
    """Each share over all runs that count for it."""
    told = []
    for name, share in tables.shares.items():
        row = rated(tables.overall, name).row(0, named=True)
        if row["runs"]:
            rate = Estimate(row["rate"], row["low"], row["high"])
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
    return written(value) if numeric and math.isfinite(value) else str(value)
