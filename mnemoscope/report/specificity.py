"""The tables that tell how specific a finding is: membership scores, negative controls."""

from dataclasses import dataclass
from typing import Any

from mnemoscope.base.text import number
from mnemoscope.report.charts.membership import SCORES
from mnemoscope.report.rates import Rate, rate_of_summary
from mnemoscope.results.audit import Audit

MEASUREMENTS = {
    "stored": "stored",
    "contractive": "contractive: spectral radius below 1",
    "contractive_in_norm": "contractive: operator norm below 1",
    "recalled": "recalled from noise of 0.1",
    "reached_from_noise": "reached from noise",
    "settled": "starts from noise that settle at an attractor",
}
"""What each control measurement is called."""


@dataclass(frozen=True)
class ScoreRow:
    """How well a score tells members from others.

    Attributes:
        name: The score.
        auc: Area under the ROC curve, with its interval.
        one: True positive rate at 1% of false positives, with its interval.
        thousandth: At 0.1%.
        best: Whether it has the largest area.
    """

    name: str
    auc: str
    one: str
    thousandth: str
    best: bool


@dataclass(frozen=True)
class ControlRow:
    """One measurement on the real thing and on its controls.

    Attributes:
        name: What is measured.
        rates: Of the trained map at its examples, of the untrained one, of held-out examples.
        specific: Whether it tells of memorization here.
    """

    name: str
    rates: tuple[Rate | None, Rate | None, Rate | None]
    specific: bool


def score_rows(audit: Audit) -> list[ScoreRow]:
    """The scores for membership, the largest area first; none without held-out data."""
    found = audit.summary.get("membership") or {}
    scores = found.get("scores") or {}
    order = sorted(scores, key=lambda name: -(scores[name]["auc"] or 0))
    resolvable = found.get("resolvable") or {}
    return [
        ScoreRow(
            name=SCORES.get(name) or name,
            auc=_with_interval(scores[name], "auc", True),
            one=_with_interval(scores[name], "tpr_1", resolvable.get("tpr_1", True)),
            thousandth=_with_interval(scores[name], "tpr_01", resolvable.get("tpr_01", True)),
            best=name == found.get("best"),
        )
        for name in order
    ]


def control_rows(audit: Audit) -> list[ControlRow]:
    """The measurements that were made on controls too."""
    found = audit.summary.get("controls") or {}
    columns = [found.get(key) or {} for key in ("trained", "untrained", "held_out")]
    lit = set(found.get("not_specific") or ())
    rows = []
    for name, words in MEASUREMENTS.items():
        rates = tuple(rate_of_summary(column.get(name)) for column in columns)
        if any(rate is not None for rate in rates):
            rows.append(ControlRow(words, rates, name not in lit))  # pyright: ignore[reportArgumentType]
    return rows


def _with_interval(score: dict[str, Any], key: str, resolvable: bool) -> str:
    value = score.get(key)
    if value is None:
        return "–"
    told = f"{number(value)} ({number(score[key + '_low'])} – {number(score[key + '_high'])})"
    return told if resolvable else f"{told}, at no false positive"
