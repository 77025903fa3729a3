"""Where the orbits of each distribution of starts ended, as stacked shares."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.base.labels import start_label
from mnemoscope.base.stats import Rate
from mnemoscope.plots.rows import chart_data
from mnemoscope.plots.theme import COLOURS, theme
from mnemoscope.report.words import OUTCOMES

OUTCOME_COLOURS: dict[str, str] = {
    "at_examples": COLOURS["stored"],
    "at_spurious": COLOURS["spurious"],
    "at_cycles": COLOURS["cycle"],
    "unsettled": COLOURS["unsettled"],
    "diverged": COLOURS["diverged"],
    "left_domain": COLOURS["left_domain"],
    "not_attracting": COLOURS["not_attracting"],
}


def basins_chart(starts: pl.DataFrame, *, width: int = 620) -> ChartType:
    """A bar for each distribution of starts, a piece for each way an orbit can end.

    Args:
        starts: `Audit.starts`.
        width: In pixels.
    """
    tried = starts.filter(pl.col("starts") > 0)
    pieces = []
    for row in tried.iter_rows(named=True):
        begin = 0
        for place, (column, label) in enumerate(OUTCOMES.items()):
            count = row[column]
            rate = Rate.of(count, row["starts"])
            if count:
                pieces.append(
                    {
                        "kind": start_label(row["kind"]),
                        "outcome": label,
                        "place": place,
                        "count": count,
                        "starts": row["starts"],
                        "begin": begin / row["starts"],
                        "end": (begin + count) / row["starts"],
                        "share": rate.rate,
                        "low": rate.low,
                        "high": rate.high,
                    }
                )
            begin += count
    seen = [column for column in OUTCOMES if tried[column].sum() > 0]
    chart = (
        alt.Chart(chart_data(pl.DataFrame(pieces, infer_schema_length=None), 5))
        .mark_bar(height=20)
        .encode(
            y=alt.Y(
                "kind:N",
                sort=[start_label(kind) for kind in tried["kind"]],
                title=None,
                axis=alt.Axis(ticks=False, domain=False, labelLimit=150),
            ),
            x=alt.X(
                "begin:Q",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", tickCount=5),
                title="share of starts",
            ),
            x2="end:Q",
            color=alt.Color(
                "outcome:N",
                scale=alt.Scale(
                    domain=[OUTCOMES[column] for column in seen],
                    range=[OUTCOME_COLOURS[column] for column in seen],
                ),
                legend=alt.Legend(symbolType="square"),
            ),
            tooltip=[
                alt.Tooltip("kind:N", title="starts"),
                alt.Tooltip("outcome:N", title="ended"),
                alt.Tooltip("count:Q", title="count"),
                alt.Tooltip("starts:Q", title="of"),
                alt.Tooltip("share:Q", title="share", format=".1%"),
                alt.Tooltip("low:Q", title="95% from", format=".1%"),
                alt.Tooltip("high:Q", title="to", format=".1%"),
            ],
        )
    )
    return chart.properties(width=width, height=30 * tried.height).configure(**theme())
