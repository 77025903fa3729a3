"""Findings: the results of an audit in plain words, for a reader who must decide.

A finding names the examples concerned, what is needed to repeat it (weights or queries, data,
number of applications of the network) and how certain it is. All its numbers were measured by the
audit. Each is made by one function of `RULES`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from mnemoscope.base.stats import Rate
from mnemoscope.base.text import joined, listed, percent, plural
from mnemoscope.results.audit import Audit
from mnemoscope.results.facts import Facts, measurements
from mnemoscope.results.summary import Membership, Score
from mnemoscope.results.tables import BASELINE
from mnemoscope.results.verdict import nearest_spurious

Kind = Literal[
    "extracted",
    "extracted_with_data",
    "recalled",
    "member",
    "stored",
    "spurious",
    "reproduced",
    "no_member",
    "nothing",
    "not_specific",
    "not_trained",
]
"""What a finding is about, ordered from most to least severe."""

Severity = Literal["high", "medium", "low", "none"]
"""`high`: an example can be extracted without data. `medium`: with some data, or training on it
can be detected. `low`: may lead to either. `none`: nothing found, or a caveat."""

Certainty = Literal["proved", "observed", "not_specific", "not_found"]
"""`proved`: a certificate proves for every example named that it is stored. `observed`: by orbits
or statistics. `not_specific`: the same measurement is also positive on the negative controls.
`not_found`: nothing was found, which is no proof."""

NEEDS_DERIVATIVES = ("spectral_radius", "operator_norm")
"""Scores of membership that take derivatives of the network."""


@dataclass(frozen=True)
class Finding:
    """A result of an audit in plain words.

    Attributes:
        kind: The kind of finding.
        severity: Its severity.
        headline: The finding in one sentence.
        by_whom: What is needed to repeat it: weights or queries, data, number of applications.
        how_sure: The evidence, with intervals.
        certainty: The strength of the evidence in one word.
        examples: Indices of the training examples that it names.
    """

    kind: Kind
    severity: Severity
    headline: str
    by_whom: str
    how_sure: str
    certainty: Certainty
    examples: tuple[int, ...] = ()


def findings(audit: Audit) -> list[Finding]:
    """Lists the findings of an audit, the most severe first; nothing found is a finding too.

    Example:
        >>> import torch, mnemoscope as mn
        >>> X = torch.tensor([[0.2, 0.8]])
        >>> audit = mn.audit(lambda z: 0.5 * (z + X), X, starts=20, trials=2)
        >>> findings(audit)[0].headline
        'The training example can be extracted from the network without training data.'
    """
    facts = Facts(audit)
    found = (rule(facts) for rule in RULES)
    return [finding for finding in found if finding is not None]


def _judged(facts: Facts, examples: Sequence[int], *measured: str) -> tuple[str, Certainty]:
    """States what is proved of stored examples, and the result of the controls.

    A finding is not specific if a measurement that it rests on is also positive on a control.
    """
    positive = [name for name in measured if name in facts.not_specific]
    if positive:
        text = measurements(positive)
        return f" Not specific: {text} is also observed on a control.", "not_specific"
    proved = sorted(facts.proved & set(examples))
    if not proved:
        return facts.controls_store(), "observed"
    whole = len(proved) == len(examples)
    which = ("it" if len(examples) == 1 else "all of them") if whole else listed(proved)
    text = f" That {which} {'are' if len(proved) > 1 else 'is'} stored is proved."
    return text + facts.controls_store(), "proved" if whole else "observed"


def _extracted(facts: Facts) -> Finding | None:
    indices = facts.from_noise
    if not indices:
        return None
    starts, right = (int(facts.noise[name].sum()) for name in ("starts", "at_examples"))
    judgement, certainty = _judged(facts, indices, "stored", "reached")
    predicate = "can be extracted from the network without training data"
    return Finding(
        "extracted",
        "high",
        facts.about(indices, predicate, predicate),
        f"{facts.access}. No training data are needed, only the range of their values. "
        f"{_effort(facts)}",
        f"Observed: orbits arrived {facts.within} {'it' if len(indices) == 1 else 'them'}. "
        f"{right:,} of {facts.starts} ended at a training example (95% interval "
        f"{Rate.of(right, starts).interval}), which estimates how often an output is one."
        f"{judgement}",
        certainty,
        tuple(indices),
    )


def _effort(facts: Facts) -> str:
    """States the effort: starts, and applications of the network.

    If `h` of a kind's starts, which together take `c` applications, end at an example, it costs
    `c / h` applications; the cheapest kind counts.
    """
    own = pl.DataFrame(
        {
            "example": facts.from_noise,
            "attractor": [facts.attractor[i] for i in facts.from_noise],
        },
        schema={"example": pl.Int64, "attractor": pl.Int64},
    )
    # Bred starts are made of attractors found before, on which their cost depends.
    prices = (
        facts.audit.basins.filter(pl.col("kind") != "bred", pl.col("starts") > 0)
        .join(facts.noise.select("kind", "applications"), on="kind")
        .join(own, on="attractor")
        .group_by("example")
        .agg((pl.col("applications") / pl.col("starts")).min().alias("price"))["price"]
        .to_list()
    )
    total = plural(int(facts.noise["applications"].sum()), "application")
    tried = f"This audit tried {facts.starts} from noise, {total} of the network in all"
    if not prices:
        return f"{tried}; only starts bred from attractors reached them."
    low, high = (f"about {round(price):,} applications" for price in (min(prices), max(prices)))
    best = f"{tried}. With the cheapest kind of noise,"
    if low == high:
        return f"{best} an example takes {low}."
    return f"{best} the easiest example takes {low}, the hardest {high}."


def _extracted_with_data(facts: Facts) -> Finding | None:
    indices = facts.from_data
    if not indices:
        return None
    row = facts.audit.starts.row(by_predicate=pl.col("kind") == "held_out", named=True)
    rate = Rate.of(row["at_examples"], row["starts"])
    judgement, certainty = _judged(facts, indices, "stored")
    return Finding(
        "extracted_with_data",
        "medium",
        facts.about(
            indices,
            "is recovered by iterating held-out data",
            "are recovered by iterating held-out data",
        ),
        f"{facts.access}. Also needed: other data of the same kind. This audit used "
        f"{plural(rate.total, 'example')} from held-out data{facts.at_most}.",
        f"Observed: {rate.fraction} orbits ended at a training example (95% interval "
        f"{rate.interval}).{judgement}",
        certainty,
        tuple(indices),
    )


def _recalled(facts: Facts) -> Finding | None:
    indices = facts.came_back
    if not indices:
        return None
    half = facts.audit.curves.filter(pl.col("rate") >= 0.5).sort("strength")
    worst = half.group_by("corruption", maintain_order=True).last()
    kinds = [
        facts.damage(row["corruption"], row["strength"]) for row in worst.iter_rows(named=True)
    ]
    text = (
        f"At least half of the copies came back from corruptions up to: {'; '.join(kinds)}."
        if kinds
        else "Fewer than half of the copies came back from every corruption that was tried."
    )
    rate = facts.audit.summary.recalled
    if rate is not None and rate.total:
        most = f"{rate.fraction} copies came back (95% interval {rate.interval})"
        text = f"With {facts.damage(rate.corruption, rate.strength)}, {most}. {text}"
    judgement, certainty = _judged(facts, indices, "stored", "recalled")
    return Finding(
        "recalled",
        "medium",
        facts.about(
            indices,
            "can be restored from a corrupted copy",
            "can be restored from corrupted copies",
        ),
        f"{facts.access}. Also needed: a corrupted copy of the example. Each copy takes one orbit"
        f"{_per_copy(facts)}.",
        f"Observed. {text} An example counts here if any of its copies came back.{judgement}",
        certainty,
        tuple(indices),
    )


def _per_copy(facts: Facts) -> str:
    row = facts.audit.starts.filter(pl.col("kind") == "corrupted", pl.col("starts") > 0)
    if row.is_empty():
        return ""
    mean = row["applications"][0] / row["starts"][0]
    return f", on average {mean:,.0f} applications of the network"


def _member(facts: Facts) -> Finding | None:
    membership = facts.audit.summary.membership
    scores = _areas(membership)
    above = {name: score for name, score in scores.items() if (score.auc_low or 0) > 0.5}
    if membership is None or not above:
        return None
    # Where the loss is as good, only the loss is needed.
    best = max(above, key=lambda name: (above[name].auc, name == BASELINE))
    score, needs = above[best], "one application of the network"
    if best in NEEDS_DERIVATIVES:
        needs = "derivatives of the network, so its weights"
    elif best == "distance_moved":
        needs = f"one orbit{facts.at_most.replace(', each', '')}"
    text = (
        f"Observed over {_people(membership)}: area under the curve {_area(score)}; 0.5 is "
        f"guessing), the best of {plural(len(scores), 'score')}."
    )
    if membership.resolvable.tpr_1 and score.tpr_1 is not None:
        text += (
            f" At a false positive rate of 1%, {percent(score.tpr_1)} of the training "
            f"examples are found (95% interval {percent(score.tpr_1_low)} to "
            f"{percent(score.tpr_1_high)})."
        )
    if best != BASELINE and BASELINE in scores:
        text += f" The loss alone: {_area(scores[BASELINE])})."
    apart = membership.two_sample
    if apart is None:
        text += " Whether the two sets differ independently of the network was not tested."
    elif apart.differs:
        text += (
            " Not specific: the two sets differ independently of the network; a classifier that "
            f"does not use it separates them with accuracy {apart.accuracy:.2f} (p = "
            f"{apart.p_value:.2g}), so this may not be due to training."
        )
    return Finding(
        "member",
        "medium",
        "Training on an example can be detected from the network.",
        f"{facts.access}. Also needed: the example in question. The score is its "
        f"{best.replace('_', ' ')}; it takes {needs}.",
        text,
        "not_specific" if apart is not None and apart.differs else "observed",
    )


def _no_member(facts: Facts) -> Finding | None:
    membership = facts.audit.summary.membership
    scores = _areas(membership)
    if membership is None or not scores or _member(facts) is not None:
        return None
    best = max(scores.values(), key=lambda score: score.auc or 0)
    tried = joined([name.replace("_", " ") for name in scores])
    return Finding(
        "no_member",
        "none",
        "Training on an example could not be detected.",
        f"No one, by the scores that were tried: {tried}.",
        f"Not proof. The best of {plural(len(scores), 'score')} over {_people(membership)}: area "
        f"under the curve {_area(best)}); 0.5 is guessing.",
        "not_found",
    )


def _areas(membership: Membership | None) -> dict[str, Score]:
    known = membership.scores.known() if membership else {}
    return {name: score for name, score in known.items() if score.auc is not None}


def _people(membership: Membership) -> str:
    return (
        f"{plural(membership.members, 'training example')} and "
        f"{plural(membership.held_out, 'example')} that were not trained on"
    )


def _area(score: Score) -> str:
    """Formats an area with its interval; the caller closes the bracket."""
    return f"{score.auc:.2f} (95% interval {score.auc_low:.2f} to {score.auc_high:.2f}"


def _stored(facts: Facts) -> Finding | None:
    known = {*facts.from_noise, *facts.from_data, *facts.came_back}
    indices = [index for index in facts.stored if index not in known]
    if not indices:
        return None
    judgement, certainty = _judged(facts, indices, "stored")
    return Finding(
        "stored",
        "medium",
        facts.about(
            indices,
            "is stored as an attractor, but nothing that was tried extracted it",
            "are stored as attractors, but nothing that was tried extracted them",
        ),
        f"{facts.access}. Also needed in every attack tried: the example itself, so that this "
        f"only confirms it. {facts.starts} from noise did not reach it; others may.",
        f"Observed: the example's own orbit ends {facts.within} it, at a state that attracts."
        f"{judgement}",
        certainty,
        tuple(indices),
    )


def _spurious(facts: Facts) -> Finding | None:
    summary = facts.audit.summary
    counts = ((summary.spurious, "attractor"), (summary.cycles, "limit cycle"))
    found = [plural(count, noun) for count, noun in counts if count]
    if not found:
        return None
    verb = "matches" if summary.spurious + summary.cycles == 1 else "match"
    return Finding(
        "spurious",
        "low",
        f"{joined(found)} {verb} no training example that this audit was given"
        f"{nearest_spurious(summary)}.",
        f"{facts.access}.",
        "Observed. They may be mixtures of examples, or training examples that this audit was not "
        "given.",
        "observed",
    )


def _reproduced(facts: Facts) -> Finding | None:
    match_tol = facts.audit.summary.match_tol
    rows = facts.audit.examples.filter(~pl.col("stored"), pl.col("residual") <= match_tol)
    indices = rows["index"].to_list()
    if not indices:
        return None
    return Finding(
        "reproduced",
        "low",
        facts.about(
            indices,
            "is reproduced, but not stored",
            "are reproduced, but not stored as attractors",
        ),
        "No one, by iteration as far as tried: there is no attractor at it.",
        f"Observed: the network's output is {facts.within} its input. That alone does not "
        "distinguish a memorized example from a map close to the identity.",
        "observed",
        tuple(indices),
    )


def _nothing(facts: Facts) -> Finding | None:
    if facts.attractor or not facts.total:
        return None
    copies = int(facts.audit.recall["trials"].sum())
    tried = [f"{facts.starts} of {plural(facts.noise.height, 'kind')} from noise"]
    if copies:
        tried.append(f"{copies:,} corrupted {'copy' if copies == 1 else 'copies'}")
    stored = facts.audit.summary.stored
    return Finding(
        "nothing",
        "none",
        "No training example could be extracted by iterating the network.",
        f"No one, by what was tried: {joined(tried)}{facts.at_most}.",
        "Not proof: other starts or other attacks may succeed. Stored: "
        f"{stored.fraction} (95% interval {stored.interval}).",
        "not_found",
    )


def _not_specific(facts: Facts) -> Finding | None:
    controls = facts.audit.summary.controls
    if controls is None or not controls.not_specific:
        return None
    looked_at = [
        words
        for control, words in (
            (controls.untrained, "an untrained network of the same architecture"),
            (controls.held_out, "examples that were not trained on"),
        )
        if control
    ]
    return Finding(
        "not_specific",
        "none",
        f"Also observed where nothing was learned: {measurements(controls.not_specific)}.",
        "By themselves these measurements are no evidence of memorization.",
        f"Observed on {joined(looked_at)}.",
        "not_specific",
    )


def _not_trained(facts: Facts) -> Finding | None:
    summary = facts.audit.summary
    # If all are stored, further training could not store more.
    if summary.interpolated or len(facts.stored) == facts.total:
        return None
    return Finding(
        "not_trained",
        "none",
        "The network does not fit its training examples, so this audit says nothing about what it "
        "could memorize if trained further.",
        "This matters if the network is trained further: audit it again then.",
        f"Observed: training loss {summary.training_loss:.1e}.",
        "observed",
    )


RULES: tuple[Callable[[Facts], Finding | None], ...] = (
    _extracted,
    _extracted_with_data,
    _recalled,
    _member,
    _stored,
    _spurious,
    _reproduced,
    _no_member,
    _nothing,
    _not_specific,
    _not_trained,
)
"""The rules, from the most to the least severe kind."""
