"""The page of a sweep, and its charts as files."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from altair.typing import ChartType
from markupsafe import Markup

from mnemoscope.base.quantity import Quantity
from mnemoscope.base.text import MISSING, joined, plural
from mnemoscope.report.embedding import write_page
from mnemoscope.report.export import write_each
from mnemoscope.report.sweep.charts import chart
from mnemoscope.report.sweep.factors import Axis, Factor
from mnemoscope.report.sweep.runs import (
    HEADLINES,
    Runs,
    colour,
    estimated,
    pictured_runs,
    read_runs,
    with_links,
    words,
)
from mnemoscope.report.sweep.sections import Section, chart_sections, gaps
from mnemoscope.report.sweep.tables import (
    Table,
    run_table,
    setting_table,
    status_words,
    trouble_table,
    value_table,
)

STORE = "STORE"
"""The store in a command, where the provenance does not name it."""


def write_sweep_page(
    rows: pl.LazyFrame,
    path: str | os.PathLike[str],
    *,
    axes: Sequence[Axis],
    quantities: Sequence[Quantity],
    about: Mapping[str, Any],
    planned: int,
    failures: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Writes a sweep as one self-contained HTML file.

    A share is pooled over runs, each of which counts as one observation; see
    `mnemoscope.report.sweep.runs.estimated` for the intervals.

    Args:
        rows: The table, as `mnemoscope.sweep.load` returns it; it may be empty.
        path: The file.
        axes: What the design varies, without the seed.
        quantities: What was measured, in the order in which it is drawn.
        about: The sweep's `name`, its purpose as `about`, and its `provenance`, which may name the
            `store` and the `date`.
        planned: Number of runs of the design.
        failures: What failed: a `reason`, and the number of `runs`.

    Returns:
        The path.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    runs = with_links(read_runs(rows, axes, quantities))
    provenance = about["provenance"]
    store = shlex.quote(str(provenance.get("store", STORE)))
    sections = {
        "heading": _heading(runs, planned, sum(failure["runs"] for failure in failures)),
        "figures": _key_figures(runs),
        "draw": lambda view: chart(runs, view),
        "status": status_words,
        "sections": [
            _reading(runs),
            *chart_sections(runs),
            *_numbers(runs, store),
            *_pictures(runs),
            *_listed(runs, store),
            _failed(runs, failures),
            Section("provenance", "Provenance", (("record", provenance),)),
        ],
        "store": store,
        **about,
    }
    return write_page("sweep.html.jinja", sections, path)


def sweep_charts(
    rows: pl.LazyFrame, axes: Sequence[Axis], quantities: Sequence[Quantity]
) -> dict[str, ChartType]:
    """Draws the charts of a sweep's page, without links.

    Args:
        rows: The table, as `mnemoscope.sweep.load` returns it.
        axes: What the design varies, without the seed.
        quantities: What was measured.

    Returns:
        The charts that there is data for, by a name that a file can have: `what-happens`,
        `map-stored`, `stored-depth-width`, `curve-depth-by-width`, `multiples`,
        `spectral_radius-over-depth-by-width` and so on.
    """
    runs = read_runs(rows, axes, quantities)
    views = [view for section in chart_sections(runs) for view in section.views]
    # A column of a file of rows may have a name that no file can have.
    charts = {re.sub(r"[^\w.-]", "_", view.name): chart(runs, view) for view in views}
    return {name: drawn for name, drawn in charts.items() if drawn is not None}


def write_sweep_charts(
    rows: pl.LazyFrame,
    axes: Sequence[Axis],
    quantities: Sequence[Quantity],
    folder: str | os.PathLike[str],
    *,
    format: str = "svg",
) -> list[Path]:
    """Writes each chart of a sweep as `<folder>/<name>.<format>`.

    Args:
        rows: The table, as `mnemoscope.sweep.load` returns it.
        axes: What the design varies, without the seed.
        quantities: What was measured.
        folder: The folder, which is created if it is missing.
        format: `svg`, `pdf`, `png` or `html`.

    Returns:
        The files.

    Raises:
        MnemoscopeError: the format is unknown, or the folder cannot be written to.
    """
    return write_each(sweep_charts(rows, axes, quantities), folder, format)


def _heading(runs: Runs, planned: int, failed: int) -> str:
    (row,) = runs.by().to_dicts()
    done, lost, diverged = row["all_runs"], row["lost"], row["diverged"]
    if not done:
        text = f"None of {plural(planned, 'run')} is done"
    else:
        whole = done == planned and done > 1
        some = f"All {planned:,}" if whole else f"{done:,} of {planned:,}"
        text = f"{some} {'run' if planned == 1 else 'runs'} {'is' if done == 1 else 'are'} done: "
        text += f"{done - lost:,} interpolated"
        text += f", {lost - diverged:,} did not" if lost > diverged else ""
        text += f", {diverged:,} diverged" if diverged else ""
    return f"{text}; {failed:,} failed." if failed else f"{text}."


def _key_figures(runs: Runs) -> list[dict[str, Any]]:
    """Returns each headline share over all runs that count for it."""
    found = [
        {
            **estimated(runs.by(), one).row(0, named=True),
            "name": one.name,
            "words": words(one),
            "colour": colour(one),
        }
        for one in runs.named(*HEADLINES)
    ]
    return [figure for figure in found if figure["runs"]]


def _reading(runs: Runs) -> Section:
    ranged = joined([factor.words for factor in runs.factors if factor.ranges])
    pooled = joined([factor.words for factor in runs.columns if factor.pooled])
    varied = joined([factor.words for factor in runs.columns])
    text = f"The design varies {varied or 'nothing but the seed'}"
    text += f"; values of {ranged} are put into ranges" if ranged else ""
    text += f"; rare values of {pooled} are counted together as “other”" if pooled else ""
    text += "."
    for factor in runs.constant:
        text += f" The factor {factor.words} has one value so far, {factor.labels[0]}."
    if runs.missing:
        text += f" The table has no column {joined(runs.missing)}."
    parts = [("text", text)]
    bonds = [_bond(factor) for factor in runs.factors if factor.same or factor.within]
    if bonds:
        parts.append(("text", " ".join(bonds)))
    lacking = gaps(runs.factors, runs)
    if lacking:
        parts.append(
            (
                "text",
                f"Not all combinations were run: {'; '.join(lacking)}. Where one of two such "
                "factors is pooled, a difference along the other may come from which combinations "
                "there are.",
            )
        )
    parts.append(("text", _INTERVALS))
    return Section("reading", "How to read this", tuple(parts))


_INTERVALS = Markup(
    "Each run counts as one observation with its own share, since the examples of one network are "
    "not independent. The 95% intervals are Wilson's with the sum of the shares as the count, "
    "which is conservative, because a number in [0, 1] with mean <i>p</i> has a variance of at "
    "most <i>p</i>(1 − <i>p</i>). Shares of training examples are given for runs that interpolated "
    "only; those of starts and of held-out examples for every run that did not diverge. Where "
    "fewer than 80% of the runs count, what is drawn is the mean of the survivors, which may "
    "differ from the others: such a cell has a star, such a point is hollow; hover over it for the "
    "counts."
)


def _bond(factor: Factor) -> str:
    """Explains why columns that vary together are not drawn against each other."""
    label = factor.labels[0]
    example = f", as in “{label}”" if ", " in label else ""
    texts = []
    if factor.same:
        others = joined([name.replace("_", " ") for name in factor.same])
        go = "goes" if len(factor.same) == 1 else "go"
        texts.append(
            f"In this design {others} {go} with {factor.words}: each value of the one has a value "
            f"of the other, so they share an axis{example}."
        )
    if factor.within:
        others = joined([name.replace("_", " ") for name in factor.within])
        texts.append(
            f"In this design each {factor.words} belongs to one {others}, so they are named "
            f"together{example}, and are not drawn against each other."
        )
    return " ".join(texts)


def _numbers(runs: Runs, store: str) -> list[Section]:
    values, settings = value_table(runs), setting_table(runs)
    if runs.frame.is_empty() or not values.rows:
        return []
    text = Markup(
        "Each value of a factor, all others pooled: the share with its 95% interval below, and the "
        "number of runs that count if not all do. A star marks fewer than 80% of the runs. "
        "<code>mnemoscope sweep report {} --settings FILE</code> writes everything, for each "
        "combination, as a table."
    ).format(store)
    parts: list[tuple[str, Any]] = [("text", text), ("table", values)]
    if settings.rows:
        parts.append(("table", settings))
    elif len(runs.factors) > 1:
        total = runs.by(*runs.factors).height
        parts.append(("text", f"The {total:,} combinations are too many to be listed here."))
    return [Section("numbers", "In numbers", tuple(parts))]


def _pictures(runs: Runs) -> list[Section]:
    chosen, settings = pictured_runs(runs)
    if not settings:
        return []
    shown = [row for row in chosen if row["picture"] is not None]
    factors = {factor.name: factor.words for factor in runs.columns}
    text = (
        f"{len(shown)} of the {plural(settings, 'setting')} that have a picture, evenly spread. "
        "The upper row of a picture is noise; below each start is the state at which its orbit "
        "ends."
    )
    if len(shown) < len(chosen):
        text += f" {len(chosen) - len(shown)} more could not be read as PNG."
    parts = (("text", text), ("pictures", (factors, shown)))
    return [Section("pictures", "Pictures", parts)]


def _listed(runs: Runs, store: str) -> list[Section]:
    table = run_table(runs)
    if not table.rows:
        return []
    total = runs.by(*runs.columns).height
    text = Markup(
        "One run for each setting: that with the median stored share, and of equals that of the "
        "lowest seed.{} <code>mnemoscope sweep show {} KEY</code> shows everything that is known "
        "of a run, and with <code>--out FILE</code> trains it again."
    ).format(
        f" Showing {len(table.rows)} of {total:,} settings; points of the others lead to the "
        "nearest of these, or to the head of this table."
        if len(table.rows) < total
        else "",
        store,
    )
    return [Section("runs", "Runs", (("text", text), ("table", table)))]


def _failed(runs: Runs, failures: Sequence[Mapping[str, Any]]) -> Section:
    parts: list[tuple[str, Any]] = []
    if failures:
        rows = [(one["reason"], f"{one['runs']:,}" if one["runs"] else MISSING) for one in failures]
        parts.append(("table", Table("Failures", (("reason", "words reason"), ("runs", "")), rows)))
    else:
        parts.append(("text", "No run failed."))
    troubles, troubled = trouble_table(runs)
    if troubled:
        total = runs.by(*runs.columns).height
        text = (
            f"{troubled:,} of {plural(total, 'setting')} {'has' if troubled == 1 else 'have'} runs "
            "that did not interpolate or diverged, the worst first."
        )
        if len(troubles.rows) < troubled:
            text += f" Showing {len(troubles.rows)}."
        parts += [("text", text), ("table", troubles)]
    elif not runs.frame.is_empty():
        parts.append(("text", "Every run interpolated."))
    return Section("failures", "What failed or did not interpolate", tuple(parts))
