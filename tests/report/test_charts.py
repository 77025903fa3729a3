import json
import math

import polars as pl
import pytest

from mnemoscope.plots.theme import COLOURS
from mnemoscope.report.charts import audit_charts, plane_chart, recall_panels, training_chart
from mnemoscope.report.charts.lines import MAX_POINTS
from mnemoscope.report.charts.spectrum import outside_view, view_reach
from mnemoscope.report.charts.starts import basin_labels
from mnemoscope.results.summary import Plane

from .example_audit import edge_audit, frame, full_audit

NAMES = ["spectrum", "recall", "basins", "plane", "training"]


def test_every_chart_is_strict_json_and_small():
    charts = audit_charts(full_audit())
    assert list(charts) == NAMES
    for chart in charts.values():
        assert len(json.dumps(chart.to_dict(), allow_nan=False)) < 120_000


def test_charts_without_data_are_left_out():
    assert list(audit_charts(edge_audit())) == ["basins"]


def test_each_corruption_has_its_panel_strengths_in_order():
    audit = full_audit()
    panels = recall_panels(
        audit.curves.sort("strength", descending=True), audit.summary.corruptions
    )
    assert list(panels) == audit.curves["corruption"].unique(maintain_order=True).to_list()
    (rows,) = panels["gaussian"].to_dict()["datasets"].values()
    assert [row["strength"] for row in rows] == [0.05, 0.1, 0.2, 0.4, 0.8]
    assert all(row["low"] <= row["rate"] <= row["high"] for row in rows)


def test_a_single_strength_is_a_point():
    audit = full_audit()
    panels = recall_panels(audit.curves, audit.summary.corruptions)
    panel = panels["mask_lower_half"].to_dict()
    assert [layer["mark"]["type"] for layer in panel["layer"]] == ["rule", "point"]


def test_a_huge_eigenvalue_does_not_shrink_the_unit_circle():
    empty = {"example": 0, "rank": 0, "imag": 0.0, "modulus": 0.0, "residual": 0.0}
    values = (50.0, 0.2, math.nan, -3.5)
    spectra = frame("spectra", [{**empty, "real": value} for value in values])
    assert view_reach(spectra) == 3.0
    assert outside_view(spectra) == 2


def test_the_plane_is_drawn_whole():
    audit = full_audit()
    spec = plane_chart(audit.plane, audit.attractors, audit.summary.plane).to_dict()
    text = next(value for value in spec["datasets"].values() if isinstance(value, str))
    pieces = pl.read_csv(text.encode())
    area = ((pieces["w"] - pieces["u"]) * (pieces["z"] - pieces["v"])).sum()
    step_u, step_v = 2.2 / 80, 2.1 / 80
    assert area == pytest.approx((2.2 + step_u) * (2.1 + step_v), rel=1e-3)
    assert pieces.height < audit.plane.height / 10


def test_basins_are_named():
    audit = full_audit()
    labels = basin_labels(audit.plane, audit.attractors, [0, 1, 2])
    assert [name for name, _ in labels.values()][:3] == ["example 0", "example 1", "example 2"]
    assert labels[18] == ("spurious 18", COLOURS["spurious"])
    assert labels[-1] == ("no attractor", COLOURS["none"])


def test_many_basins_share_colours():
    plane = frame("plane", [{"u": float(i), "v": 0.0, "attractor": i} for i in range(40)])
    rows = full_audit().attractors.head(1).to_dicts()[0]
    attractors = frame("attractors", [{**rows, "id": i, "nearest_example": i} for i in range(40)])
    labels = basin_labels(plane, attractors, [7, 8, 9])
    assert [labels[i][0] for i in (7, 8, 9)] == ["example 7", "example 8", "example 9"]
    assert len({name for name, _ in labels.values()}) == 7
    corners = Plane(examples=[7, 8, 9], points=[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    assert plane_chart(plane, attractors, corners).to_dict()["height"] > 0


def test_long_histories_are_thinned_and_keep_their_end():
    history = frame(
        "history",
        [{"step": k, "seconds": 0.0, "loss": 1 / (k + 1), "lr": 1e-3} for k in range(50_000)],
    )
    data = training_chart(history, tol=1e-8).to_dict()["datasets"]
    rows = max(data.values(), key=len)
    assert len(rows) <= MAX_POINTS + 1
    assert rows[-1]["step"] == 49_999
