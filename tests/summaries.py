"""Artificial audit summaries for the tests of their readers."""

from typing import Any

from mnemoscope.base.stats import Rate
from mnemoscope.data import CORRUPTIONS
from mnemoscope.results.summary import (
    Controls,
    Measured,
    Membership,
    Reached,
    RecallRate,
    Resolvable,
    Score,
    Scores,
    Summary,
)

OF_EXAMPLES = ("stored", "disclosed", "contractive", "contractive_in_norm", "certified", "reached")
OF_STARTS = ("unsettled", "left_domain", "settled")
RATES = (*OF_EXAMPLES, *OF_STARTS, "recalled")


def made_summary(starts: int = 100, **changes: Any) -> Summary:
    """A summary of five examples with all counts 0.

    Args:
        starts: Number of starts from noise.
        **changes: Fields. A rate may be a pair, `(count, total)`; `examples` is the total of
            `stored` if not given, and as many are disclosed as stored.
    """
    stored = made_rate("stored", changes.get("stored", (0, changes.get("examples", 5))))
    n = stored.total
    fields = {
        "name": "made up",
        "examples": n,
        "stored": stored,
        "disclosed": stored,
        "indistinguishable": 0,
        "contractive": (0, n),
        "undecided": 0,
        "reached": (0, n),
        "attractors": 0,
        "spurious": 0,
        "cycles": 0,
        "unsettled": (0, starts),
        "left_domain": (0, starts),
        "corruptions": tuple(corruption.label for corruption in CORRUPTIONS.values()),
        "loss": 1e-9,
        "training_loss": 1e-9,
        "interpolated": True,
        "match_tol": 0.01,
        "tol": 1e-6,
        "unit": 1.0,
        **changes,
    }
    rates = {name: made_rate(name, fields[name], starts) for name in RATES if name in fields}
    return Summary.model_validate(fields | rates)


def made_rate(name: str, value: Any, starts: int = 100) -> Any:
    """The rate of a field, of `(count, total)`; anything else as it is."""
    if not isinstance(value, tuple):
        return value
    if name == "reached":
        return Reached(*value, starts=starts)
    if name == "recalled":
        return RecallRate.of(*value, corruption="gaussian", strength=0.1)
    return Rate.of(*value)


def made_measured(**rates: tuple[int, int]) -> Measured:
    """The measurements of a control: rates, each `(count, total)`."""
    known = {name: Rate.of(*rate) for name, rate in rates.items()}
    return Measured(**known, attractors=1, fixed_points=1, starts=10)


def made_controls(**changes: Any) -> Controls:
    """Controls without any measurement."""
    fields = {
        "trained": made_measured(),
        "untrained": None,
        "untrained_missing": None,
        "held_out": None,
        "not_specific": (),
    }
    return Controls(**(fields | changes))


def made_score(auc: float, low: float, high: float, **changes: Any) -> Score:
    """A score by its area and its interval; a tenth of that is its true positive rate."""
    rates = {
        f"{name}{end}": value / 10
        for name in ("tpr_1", "tpr_01")
        for end, value in (("", auc), ("_low", low), ("_high", high))
    }
    return Score(auc=auc, auc_low=low, auc_high=high, **(rates | changes))


def made_membership(scores: dict[str, Score], **changes: Any) -> Membership:
    """Membership by some scores, with held-out data that resolve every rate."""
    fields = {
        "members": 20,
        "held_out": 30,
        "scores": Scores(**scores),
        "best": max(scores, key=lambda name: scores[name].auc),
        "two_sample": None,
        "baseline": "loss",
        "resolvable": Resolvable(tpr_1=True, tpr_01=True),
        "overlap": 0,
        "caveats": (),
    }
    return Membership(**(fields | changes))
