"""Charts of lines: recall against corruption, ROC curves, the training loss."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.base.labels import CorruptionLabel, corruption_label
from mnemoscope.plots.draw import chart_data, known, tooltips
from mnemoscope.plots.theme import CATEGORIES, COLOURS, theme

SIDES = {"before": COLOURS["not_stored"], "after": COLOURS["stored"]}
"""The colour of each of two audits."""

SCORES: dict[str, str] = {
    "loss": "loss (baseline)",
    "residual": "residual",
    "spectral_radius": "spectral radius",
    "operator_norm": "operator norm",
    "distance_moved": "distance moved",
}
"""The label of each score for membership; the baseline first, in grey."""

SCORE_COLOURS = ("#7a8088", *(colour for colour in CATEGORIES if colour != "#7a8088"))

DASHES = ([1, 0], [6, 3], [1, 0], [1, 0], [1, 0])
"""The residual is dashed: it lies on the loss, whose square root it is."""

FEW = 0.02
"""Smallest false positive rate above 0 up to which a logarithmic panel is drawn."""

MAX_POINTS = 600
"""Steps of a training history that are drawn."""

SHARES: dict[str, Any] = {
    "scale": alt.Scale(domain=[0, 1]),
    "axis": alt.Axis(format="%", values=[0, 0.5, 1]),
}


def recall_panels(
    curves: pl.DataFrame, labels: Sequence[CorruptionLabel], width: int = 220, height: int = 150
) -> dict[str, alt.LayerChart | alt.FacetChart]:
    """Draws a chart for each corruption: a line, points and 95% intervals.

    Corruptions are in the order of their labels. The curves of two audits, distinguished by a
    column `audit`, are drawn in one chart where both tried the corruption.
    """
    tried = known(curves, "strength", "rate", "low", "high").sort("strength")
    if "audit" in tried.columns:
        tried = tried.filter(pl.col("audit").n_unique().over("corruption") == len(SIDES))
    order = {label.name: place for place, label in enumerate(labels)}
    names = tried["corruption"].unique()
    return {
        name: _recall_panel(
            tried.filter(pl.col("corruption") == name),
            corruption_label(name, labels),
            width,
            height,
        )
        for name in sorted(names, key=lambda name: (order.get(name, len(order)), name))
    }


def recall_chart(curves: pl.DataFrame, labels: Sequence[CorruptionLabel]) -> ChartType:
    """Draws all corruptions as small multiples in one chart."""
    panels = recall_panels(curves, labels, 200, 140).values()
    return alt.concat(*panels, columns=3, spacing=28).configure(**theme())


def _recall_panel(
    rates: pl.DataFrame, label: CorruptionLabel, width: int, height: int
) -> alt.LayerChart | alt.FacetChart:
    """Draws the rates of one corruption, in a colour for each audit if there are two."""
    strengths = rates["strength"].to_list()
    low, high = min(strengths), max(strengths)
    if low == high:
        domain = [low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)]
        axis = alt.Axis(values=[low])
    else:
        domain = [min(0.0, low), high + 0.04 * (high - low)]
        axis = alt.Axis(tickCount=4)
    two = "audit" in rates.columns
    colour: Any = alt.value(COLOURS["stored"])
    if two:
        scale = alt.Scale(domain=list(SIDES), range=list(SIDES.values()))
        colour = alt.Color("audit:N", scale=scale, legend=None)
    base = alt.Chart(chart_data(rates, 5)).encode(
        x=alt.X(
            "strength:Q",
            scale=alt.Scale(domain=domain, nice=False),
            axis=axis,
            title=label.strength,
        ),
        color=colour,
    )
    ends = {"y": alt.Y("low:Q", **SHARES, title=None), "y2": "high:Q"}
    middle = base.encode(y=alt.Y("rate:Q", **SHARES, title=None))
    whiskers = base.mark_rule(strokeWidth=1.5).encode(**ends)
    points = middle.mark_point(filled=True, size=55, opacity=1).encode(
        tooltip=tooltips(
            *([("audit:N", "audit")] if two else []),
            ("strength:Q", label.strength),
            ("rate:Q", "recalled", ".1%"),
            ("low:Q", "95% from", ".1%"),
            ("high:Q", "to", ".1%"),
            ("recalled:Q", "count"),
            ("trials:Q", "trials"),
        ),
    )
    layers = [whiskers, points]
    if low < high:
        band, line = base.mark_area(opacity=0.18).encode(**ends), middle.mark_line(strokeWidth=2)
        layers = [band, whiskers, line, points]
    title = label.label[:1].upper() + label.label[1:]
    return alt.layer(*layers).properties(width=width, height=height, title=title)


def roc_chart(roc: pl.DataFrame) -> ChartType:
    """Draws a line for each score, and the same with false positives on a logarithmic scale.

    The second panel is omitted where held-out states are too few for it; a curve begins there at
    its first false positive.
    """
    order = {score: place for place, score in enumerate(SCORES)}
    points = (
        known(roc, "fpr", "tpr")
        .with_columns(name=pl.col("score").replace_strict(SCORES))
        .sort(pl.col("score").replace_strict(order), maintain_order=True)
        .with_row_index("place")
    )
    least = points.filter(pl.col("fpr") > 0)["fpr"].min()
    panels = [_roc_panel(points, 0.0).properties(title="Whole curve")]
    if isinstance(least, float) and least <= FEW:
        few = _roc_panel(_from_first(points, least), least)
        panels.append(few.properties(title="Few false positives"))
    return alt.hconcat(*panels, spacing=36).configure(**theme())


def _from_first(points: pl.DataFrame, least: float) -> pl.DataFrame:
    """Moves the highest true positive rate without false positives to the edge of a log scale."""
    at_none = points.filter(pl.col("fpr") == 0).group_by("score", maintain_order=True).last()
    edge = at_none.with_columns(fpr=pl.lit(least)).select(points.columns)
    return pl.concat([edge, points.filter(pl.col("fpr") > 0)]).sort("place")


def _roc_panel(points: pl.DataFrame, least: float) -> alt.LayerChart | alt.FacetChart:
    """Draws the curves; on a logarithmic scale from `least`, if that is not 0."""
    scale = alt.Scale(type="log", domain=[least, 1]) if least else alt.Scale(domain=[0, 1])
    axis = alt.Axis(format=".2~%" if least else "%", tickCount=4)
    x = alt.X("fpr:Q", scale=scale, axis=axis, title="false positive rate")
    y = alt.Y("tpr:Q", **SHARES, title="true positive rate")
    present = [place for place, score in enumerate(SCORES) if score in set(points["score"])]
    names = list(SCORES.values())

    def chosen(looks: Sequence[Any]) -> alt.Scale:
        return alt.Scale(domain=[names[n] for n in present], range=[looks[n] for n in present])

    lines = (
        alt.Chart(chart_data(points.select("name", "fpr", "tpr", "place"), 5))
        .mark_line(strokeWidth=2)
        .encode(
            x=x,
            y=y,
            order="place:Q",
            color=alt.Color("name:N", scale=chosen(SCORE_COLOURS)),
            strokeDash=alt.StrokeDash("name:N", scale=chosen(DASHES)),
            tooltip=tooltips(
                ("name:N", "score"),
                ("fpr:Q", "false positives", ".2%"),
                ("tpr:Q", "true positives", ".1%"),
            ),
        )
    )
    # Guessing gives equal rates, which are a curve on a logarithmic scale.
    rates = [least ** (k / 40) for k in range(40, -1, -1)] if least else [0.0, 1.0]
    guess = alt.Chart(chart_data(pl.DataFrame({"fpr": rates, "tpr": rates})))
    guess = guess.mark_line(style="reference", strokeDash=[4, 4]).encode(x=x, y=y)
    return alt.layer(guess, lines).properties(width=270, height=270)


def training_chart(history: pl.DataFrame, tol: float | None) -> ChartType:
    """Draws the training loss, thinned evenly to `MAX_POINTS`, and the threshold `tol`."""
    drawn = loss_points(history).with_row_index("row")
    stride, last = -(-drawn.height // MAX_POINTS), drawn.height - 1
    thinned = drawn.filter((pl.col("row") % stride == 0) | (pl.col("row") == last))
    x = alt.X(
        "step:Q", title="step", axis=alt.Axis(tickCount=6, grid=False), scale=alt.Scale(nice=False)
    )
    axis = alt.Axis(format=".0e", tickCount=6)
    y = alt.Y("loss:Q", scale=alt.Scale(type="log"), axis=axis, title="training loss")
    tips = tooltips(("step:Q", "step"), ("loss:Q", "loss", ".3e"), ("lr:Q", "learning rate", ".2e"))
    line = alt.Chart(chart_data(thinned.select("step", "loss", "lr"), 4))
    layers = [
        line.mark_line(color=COLOURS["stored"], strokeWidth=1.8).encode(x=x, y=y, tooltip=tips)
    ]
    if tol is not None and tol > 0:
        base = alt.Chart(chart_data(pl.DataFrame({"loss": [tol], "label": ["interpolation"]})))
        text = base.mark_text(style="reference-label", align="left", dy=-7, dx=4)
        layers += [
            base.mark_rule(style="reference", strokeDash=[4, 4]).encode(y=y),
            text.encode(x=alt.value(0), y=y, text="label:N"),
        ]
    return alt.layer(*layers).properties(width=620, height=220).configure(**theme())


def loss_points(history: pl.DataFrame) -> pl.DataFrame:
    """Returns the steps that a logarithmic scale can show: those with a positive, finite loss."""
    return known(history, "step", "loss").filter(pl.col("loss") > 0).sort("step")
