"""The page of claims: everything in it, nothing fetched, nothing run but its own scripts."""

import altair as alt
import pytest

from mnemoscope.report import ClaimSection, write_claims_page

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
        "interpolated": 3, "note": "", "seconds": 1.25, **fields,
    }  # fmt: skip


def chart():
    data = alt.InlineData(values=[{"x": 1, "y": 2}])
    return alt.Chart(data).mark_point().encode(x="x:Q", y="y:Q").properties(width=200)


def written(tmp_path, *sections):
    path = write_claims_page(sections, tmp_path / "claims.html", provenance={"date": "2026-01-02"})
    return path.read_text(encoding="utf-8")


def test_verdicts_are_counted_and_every_check_is_told(tmp_path):
    text = written(
        tmp_path,
        ClaimSection(row("first"), chart()),
        ClaimSection(row("second", "fails", note="because of this"), None),
        ClaimSection(row("third", "not_applicable", measured=None), None),
    )
    assert "1 of 3 claims holds, 1 fails, of 1 no run could tell" in text
    for words in ("a distance", "because of this", "not applicable", "3 of 4", "float32"):
        assert words in text
    assert text.count("data-chart=") == 1
    assert 'href="#second"' in text


def test_nothing_of_it_is_run_as_code(tmp_path):
    fields = dict.fromkeys(("statement", "source", "note", "tolerance_reason"), HOSTILE)
    text = written(tmp_path, ClaimSection(row(**fields), chart()))
    assert HOSTILE not in text
    assert "&lt;img src=x" in text
    assert "{{7*7}}" in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_what_is_no_number_is_a_dash_or_infinity(tmp_path, value):
    text = written(tmp_path, ClaimSection(row(measured=value, difference=value), None))
    assert ("∞" if value == float("inf") else "–") in text
