"""The page of claims: everything in it, nothing fetched, nothing run but its own scripts."""

import polars as pl
import pytest

from mnemoscope.plots import Axis, Figure
from mnemoscope.report import write_claims_page

HOSTILE = "</script><img src=x onerror=alert(1)>{{7*7}}"


def row(name="a-claim", verdict="holds", **fields):
    check = {
        "what": "a distance", "predicted": 0.0, "measured": 1e-7, "difference": 1e-7,
        "tolerance": 1e-6, "runs": 3, "verdict": verdict,
    }  # fmt: skip
    return {
        "name": name, "statement": "It is so.", "source": "somewhere", "quantity": "a distance",
        "predicted": 0.0, "measured": 1e-7, "difference": 1e-7, "tolerance": 1e-6,
        "tolerance_reason": "float32", "verdict": verdict, "checks": [check], "runs": 4,
        "interpolated": 3, "note": "", "seconds": 1.25, "regime": None, "reach": "", **fields,
    }  # fmt: skip


FIGURE = Figure(pl.DataFrame({"x": [1], "y": [2]}), Axis("x"), Axis("y"))


def written(tmp_path, *claims):
    path = write_claims_page(claims, tmp_path / "claims.html", provenance={"date": "2026-01-02"})
    return path.read_text(encoding="utf-8")


def test_verdicts_are_counted_and_every_check_is_shown(tmp_path):
    text = written(
        tmp_path,
        (row("first"), [FIGURE, FIGURE]),
        (row("second", "fails", note="because of this"), []),
        (row("third", "not_applicable", measured=None), []),
    )
    assert "1 of 3 claims holds, 1 fails, 1 not applicable" in text
    for words in ("a distance", "because of this", "not applicable", "3 of 4", "float32"):
        assert words in text
    assert 'data-chart="first-0"' in text
    assert 'data-chart="first-1"' in text
    assert text.count("data-chart=") == 2
    assert 'href="#second"' in text


def test_the_regime_and_the_reach_are_shown(tmp_path):
    regime = {"words": "wide networks", "source": "the paper", "tried": 2}
    text = written(tmp_path, (row(regime=regime, reach="Width 32: 3 of 4."), []))
    assert "wide networks (the paper; 2 candidates tried in pilots)" in text
    assert "Width 32: 3 of 4." in text
    assert "regime" not in written(tmp_path, (row(), []))


def test_nothing_of_it_is_run_as_code(tmp_path):
    fields = dict.fromkeys(("statement", "source", "note", "tolerance_reason", "reach"), HOSTILE)
    text = written(tmp_path, (row(**fields), [FIGURE]))
    assert HOSTILE not in text
    assert "&lt;img src=x" in text
    assert "{{7*7}}" in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_what_is_no_number_is_a_dash_or_infinity(tmp_path, value):
    text = written(tmp_path, (row(measured=value, difference=value), []))
    assert ("∞" if value == float("inf") else "–") in text
