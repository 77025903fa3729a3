"""All charts of a sweep by name."""

import re
from collections.abc import Sequence

import polars as pl
from altair.typing import ChartType

from mnemoscope.report.sweep.binning import binned_tables
from mnemoscope.report.sweep.curves import curves
from mnemoscope.report.sweep.happenings import happenings_charts
from mnemoscope.report.sweep.heat import pair_maps
from mnemoscope.report.sweep.multiples import multiples_chart
from mnemoscope.report.sweep.nesting import drawn_tables, leading
from mnemoscope.report.sweep.number_charts import number_charts
from mnemoscope.report.sweep.tables import SweepTables, sweep_tables


def sweep_charts(rows: pl.LazyFrame, factors: Sequence[str]) -> dict[str, ChartType]:
    """The charts of a sweep's page, for files: no mark leads anywhere.

    Args:
        rows: The table, as `mnemoscope.sweep.load` gives it.
        factors: Columns that the design varies, without the seed.

    Returns:
        By name, which is fit for a file: `what-happens`, `map-stored`, `stored-depth-width`,
        `curve-depth-by-width`, `multiples`, `spectral_radius-over-depth-by-width` and so on, those
        that there is data for.
    """
    drawn, _ = drawn_tables(sweep_tables(rows, factors))
    tables, _ = binned_tables(drawn)
    if not has_charts(tables):
        return {}
    charts = {
        **happenings_charts(leading(tables)),
        **{
            pair_name(share, x, y): chart
            for (x, y), maps in pair_maps(tables).items()
            for share, chart in maps.items()
        },
        **{curve_name(x, by): chart for (x, by), chart in curves(tables).items()},
    }
    multiples = multiples_chart(leading(tables))
    if multiples is not None:
        charts["multiples"] = multiples
    for one in number_charts(tables)[0]:
        charts |= {fit(name): chart for name, (chart, _) in (one.curves | one.maps).items()}
    return charts


def pair_name(share: str, x: str, y: str) -> str:
    """The name of a heat map."""
    return fit(f"{share}-{x}-{y}")


def curve_name(x: str, by: str) -> str:
    """The name of curves."""
    return fit(f"curve-{x}-by-{by}")


def fit(name: str) -> str:
    """The name with what no file may bear left out."""
    return re.sub(r"[^\w.-]", "_", name)


def has_charts(tables: SweepTables) -> bool:
    """Whether there is anything to draw."""
    return bool(tables.settings.height and tables.factors)
