import json

import polars as pl
import pytest

from mnemoscope.report.charts import SCORES as NAMES
from mnemoscope.report.charts import roc_chart
from mnemoscope.results.tables import ROC, SCORES


def roc(curves):
    rows = [{"score": s, "fpr": x, "tpr": y} for s, points in curves.items() for x, y in points]
    return pl.DataFrame(rows, schema=ROC)


def lines(panel):
    """The points of each line, as drawn."""
    spec = roc_chart(panel).to_dict()
    found = []
    for drawn in spec["hconcat"]:
        rows = spec["datasets"][drawn["layer"][1]["data"]["name"]]
        found.append(
            {
                name: [(r["fpr"], r["tpr"]) for r in rows if r["name"] == name]
                for name in dict.fromkeys(r["name"] for r in rows)
            }
        )
    return found


STEPS = {
    "residual": [(0.0, 0.0), (0.0, 0.5), (0.01, 0.5), (0.01, 1.0), (1.0, 1.0)],
    "loss": [(0.0, 0.0), (0.0, 0.4), (1.0, 1.0)],
}


def test_every_score_has_a_name():
    assert set(NAMES) == set(SCORES)


def test_whole_curves_and_beside_them_few_false_positives():
    whole, few = lines(roc(STEPS))
    assert whole["residual"] == STEPS["residual"]
    # The baseline is drawn first, so that what lies on it is seen.
    assert list(whole) == ["loss (baseline)", "residual"]
    # A logarithmic scale begins at the first false positive, where a curve has what it has at none.
    assert few["residual"] == [(0.01, 0.5), (0.01, 0.5), (0.01, 1.0), (1.0, 1.0)]
    assert few["loss (baseline)"] == [(0.01, 0.4), (1.0, 1.0)]


def test_with_few_held_out_states_there_is_one_panel():
    assert len(lines(roc({"loss": [(0.0, 0.0), (0.2, 0.5), (1.0, 1.0)]}))) == 1


def test_it_is_strict_json_and_small():
    many = [(k / 400, (k / 400) ** 0.5) for k in range(401)]
    text = json.dumps(roc_chart(roc(dict.fromkeys(SCORES, many))).to_dict(), allow_nan=False)
    assert len(text) < 400_000


@pytest.mark.parametrize("score", SCORES)
def test_a_score_keeps_its_colour_whatever_else_is_drawn(score):
    def colour(curves):
        spec = roc_chart(roc(curves)).to_dict()
        scale = spec["hconcat"][0]["layer"][1]["encoding"]["color"]["scale"]
        return dict(zip(scale["domain"], scale["range"], strict=True))[NAMES[score]]

    points = [(0.0, 0.0), (1.0, 1.0)]
    assert colour({score: points}) == colour(dict.fromkeys(SCORES, points))
