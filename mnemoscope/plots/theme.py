"""The one look of all charts, and the one colour of each thing."""

from typing import Any

INK = "#1d2126"
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif'

COLOURS: dict[str, str] = {
    "stored": "#3a83d0",
    "spurious": "#dd5f1e",
    "cycle": "#b26bb8",
    "unsettled": "#e0ac2b",
    "diverged": "#86604a",
    "left_domain": "#6f7fa8",
    "not_attracting": "#7f9a94",
    "none": "#a8adb3",
    "not_stored": "#7a8088",
}
"""Blue, vermilion, purple, yellow after Okabe and Ito, which the colour-blind can distinguish, in a
lightness for white and for near black."""

CATEGORIES = (
    "#3a83d0",
    "#dd5f1e",
    "#b26bb8",
    "#e0ac2b",
    "#53a8a3",
    "#86604a",
    "#7a8088",
    "#1f4e86",
    "#9acbf0",
    "#9c3d0c",
    "#2a6f73",
    "#f3ab80",
)
"""Colours of things without a colour of their own: activations, widths, data."""

EXAMPLE_SHADES = ("#3a83d0", "#9acbf0", "#1f4e86", "#53a8a3", "#b4dcd6", "#2a6f73")
OTHER_EXAMPLES = "#c3cfe0"
SPURIOUS_SHADES = ("#dd5f1e", "#f3ab80", "#9c3d0c")
OTHER_SPURIOUS = "#f6d3bd"
CYCLE_SHADES = ("#b26bb8", "#dab4dd", "#7a3f80")
OTHER_CYCLES = "#ecdaee"


def theme(ink: str = INK) -> dict[str, Any]:
    """Returns the Vega-Lite configuration of every chart.

    `ink` colours text, axes and reference lines; `currentColor` leaves it to a page's style sheet.
    """
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None, "continuousWidth": 420, "continuousHeight": 260},
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "domainColor": ink,
            "tickColor": ink,
            "gridColor": ink,
            "labelOpacity": 0.8,
            "titleOpacity": 0.8,
            "domainOpacity": 0.35,
            "tickOpacity": 0.35,
            "gridOpacity": 0.09,
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "labelPadding": 4,
            "labelOverlap": "greedy",
            "labelSeparation": 6,
            "tickSize": 4,
        },
        "legend": {
            "orient": "top",
            "title": None,
            "labelColor": ink,
            "titleColor": ink,
            "labelFontSize": 12,
            "columns": 3,
            "labelLimit": 220,
            "symbolSize": 90,
            "columnPadding": 16,
            "rowPadding": 4,
            "offset": 12,
        },
        "header": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12},
        "range": {"category": list(CATEGORIES)},
        "title": {
            "color": ink,
            "subtitleColor": ink,
            "anchor": "start",
            "fontSize": 13,
            "fontWeight": 600,
            "offset": 10,
        },
        "line": {"color": ink},
        "rule": {"color": ink},
        "text": {"color": ink, "fontSize": 11},
        "style": {
            "reference": {"stroke": ink, "strokeOpacity": 0.55, "strokeWidth": 1.2},
            "reference-label": {"fill": ink, "fillOpacity": 0.8, "fontSize": 11},
        },
    }
