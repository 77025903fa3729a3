"""The tables of membership scores and of negative controls."""

from typing import Any

from mnemoscope.base.text import MISSING, number
from mnemoscope.report.charts.membership import SCORES
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import Measured, Score

MEASUREMENTS = {
    "stored": "stored",
    "contractive": "contractive: spectral radius below 1",
    "contractive_in_norm": "contractive: operator norm below 1",
    "recalled": "recalled from noise of 0.1",
    "reached": "reached from noise",
    "settled": "starts from noise that settle at an attractor",
}
"""The name of each control measurement."""


def score_rows(audit: Audit) -> list[dict[str, Any]]:
    """Lists the scores for membership, the largest area first; none without held-out data."""
    membership = audit.summary.membership
    if membership is None:
        return []
    scores, resolvable = membership.scores.known(), membership.resolvable
    return [
        {
            "name": SCORES.get(name, name),
            "auc": _with_interval(score, "auc"),
            "one": _with_interval(score, "tpr_1", resolvable=resolvable.tpr_1),
            "thousandth": _with_interval(score, "tpr_01", resolvable=resolvable.tpr_01),
            "best": name == membership.best,
        }
        for name, score in sorted(scores.items(), key=lambda item: -(item[1].auc or 0))
    ]


def control_rows(audit: Audit) -> list[dict[str, Any]]:
    """Lists the measurements that were also made on controls."""
    controls = audit.summary.controls
    if controls is None:
        return []
    columns = (controls.trained, controls.untrained, controls.held_out)
    return [
        {"name": words, "rates": rates, "specific": name not in controls.not_specific}
        for name, words in MEASUREMENTS.items()
        if any(rates := [_rate(column, name) for column in columns])
    ]


def _rate(column: Measured | None, name: str) -> Any:
    return getattr(column, name, None)


def _with_interval(score: Score, key: str, *, resolvable: bool = True) -> str:
    value, low, high = (getattr(score, f"{key}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return MISSING
    text = f"{number(value)} ({number(low)} – {number(high)})"
    return text if resolvable else f"{text}, at no false positive"
