"""Findings: what an audit found in plain words, for somebody who must decide.

A finding says which examples it is about, what one needs to repeat it (weights or queries, data,
how many applications of the network) and how sure it is. It has no number that the audit did not
measure.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from mnemoscope.base.stats import wilson
from mnemoscope.base.text import joined, percent, plural
from mnemoscope.results.finding import SEVERITIES, Certainty, Finding
from mnemoscope.results.finding_facts import Facts, measurements
from mnemoscope.results.tables import BASELINE
from mnemoscope.results.wording import damage, interval, nearest_spurious

if TYPE_CHECKING:
    from mnemoscope.results.audit import Audit


NEEDS_DERIVATIVES = ("spectral_radius", "operator_norm")
"""Scores of membership that take derivatives of the network."""


def findings(audit: "Audit") -> list[Finding]:
    """What the audit found, the gravest first; that nothing was found is a finding too.

    Example:
        >>> import torch, mnemoscope as mn
        >>> X = torch.tensor([[0.2, 0.8]])
        >>> audit = mn.audit(lambda z: 0.5 * (z + X), X, starts=20, trials=2)
        >>> findings(audit)[0].headline
        'The training example can be pulled out of the network with no training data.'
    """
    facts = Facts(audit)
    found = [
        _extracted(facts),
        _extracted_with_data(facts),
        _recalled(facts),
        _membership(facts),
        _stored(facts),
        _spurious(facts),
        _reproduced(facts),
        _nothing(facts),
        _controls(facts),
        _not_trained(facts),
    ]
    order = {kind: place for place, kind in enumerate(SEVERITIES)}
    return sorted((f for f in found if f is not None), key=lambda finding: order[finding.kind])


def _extracted(facts: Facts) -> Finding | None:
    indices = facts.from_noise
    if not indices:
        return None
    can = "can be pulled out of the network with no training data"
    starts, right = (int(facts.noise[name].sum()) for name in ("starts", "at_examples"))
    told = (
        f"Observed: orbits arrived {facts.within} {'it' if len(indices) == 1 else 'them'}. "
        f"{right:,} of {plural(starts, 'start')} ended at a training example "
        f"({interval(_rate(right, starts))}): that is how often what comes out is one."
    )
    return facts.finding(
        "extracted",
        facts.about(indices, can, can),
        f"{facts.access}. No training data are needed, only the range of their values. "
        f"{_effort(facts, indices)}",
        told,
        indices,
    )


def _effort(facts: Facts, indices: Sequence[int]) -> str:
    """What it took: starts, and applications of the network where the audit counted them.

    An example that `h` of a kind's starts led to, which together took `c` applications, comes once
    in `c / h` of them; the kind that is cheapest for it counts.
    """
    cost = "applications" if _counted(facts.noise) else "starts"
    kinds = facts.noise.select("kind", pl.col(cost).alias("cost"))
    own = pl.DataFrame(
        {"example": indices, "attractor": [facts.attractor[i] for i in indices]},
        schema={"example": pl.Int64, "attractor": pl.Int64},
    )
    # Bred starts are made of attractors already found: what one of them costs depends on those.
    prices = (
        facts.audit.basins.filter(pl.col("kind") != "bred", pl.col("starts") > 0)
        .join(kinds, on="kind")
        .join(own, on="attractor")
        .group_by("example")
        .agg((pl.col("cost") / pl.col("starts")).min().alias("price"))["price"]
        .to_list()
    )
    starts = plural(int(facts.noise["starts"].sum()), "start")
    total = plural(int(kinds["cost"].sum()), "application")
    told = f"This audit tried {starts} from noise"
    told += f", {total} of the network in all" if cost == "applications" else facts.at_most
    if not prices:
        return f"{told}; only starts made of other finds reached them."
    low, high = (
        f"about {round(price):,} applications"
        if cost == "applications"
        else "almost every start"
        if round(price) == 1
        else f"about one start in {round(price):,}"
        for price in (min(prices), max(prices))
    )
    verb = "takes" if cost == "applications" else "comes from"
    best = f"{told}. From the kind of noise that suits it best,"
    if len(prices) == 1 or low == high:
        return f"{best} an example {verb} {low}."
    return f"{best} the easiest example {verb} {low}, the hardest {high}."


def _counted(starts: pl.DataFrame) -> bool:
    """Whether the audit counted the applications of the network; earlier ones did not."""
    return "applications" in starts.columns and bool(starts["applications"].is_not_null().all())


def _extracted_with_data(facts: Facts) -> Finding | None:
    indices = facts.from_data
    if not indices:
        return None
    row = facts.audit.starts.filter(pl.col("kind") == "held_out").row(0, named=True)
    return facts.finding(
        "extracted_with_data",
        facts.about(
            indices,
            "comes out when data that were not trained on are iterated",
            "come out when data that were not trained on are iterated",
        ),
        f"{facts.access}. Also needed: other data of the same kind. This audit used "
        f"{plural(row['starts'], 'example')} that were not trained on{facts.at_most}.",
        f"Observed: {row['at_examples']:,} of {row['starts']:,} orbits ended at a training example "
        f"({interval(_rate(row['at_examples'], row['starts']))}).",
        indices,
    )


def _recalled(facts: Facts) -> Finding | None:
    indices = facts.came_back
    if not indices:
        return None
    half = facts.audit.curves.filter(pl.col("rate") >= 0.5).sort("strength")
    worst = half.group_by("corruption", maintain_order=True).last()
    kinds = [damage(row["corruption"], row["strength"]) for row in worst.iter_rows(named=True)]
    told = (
        f"At least half of the copies came back from damage as heavy as: {'; '.join(kinds)}."
        if kinds
        else "Of no kind of damage that was tried did half of the copies come back."
    )
    rate = facts.summary.get("recalled")
    if rate and rate.get("total"):
        told = (
            f"With {damage(rate['corruption'], rate['strength'])}, {rate['count']:,} of "
            f"{rate['total']:,} copies came back ({interval(rate)}). {told}"
        )
    return facts.finding(
        "recalled",
        facts.about(
            indices, "can be restored from a damaged copy", "can be restored from damaged copies"
        ),
        f"{facts.access}. Also needed: a damaged copy of the example. Each copy takes one orbit"
        f"{_per_copy(facts)}.",
        f"Observed. {told} An example counts here if any of its copies came back.",
        indices,
    )


def _per_copy(facts: Facts) -> str:
    row = facts.audit.starts.filter(pl.col("kind") == "corrupted")
    if row.is_empty() or not _counted(row):
        return facts.at_most.replace(", each", "")
    mean = row["applications"][0] / row["starts"][0]
    return f", on average {mean:,.0f} applications of the network"


def _stored(facts: Facts) -> Finding | None:
    known = {*facts.from_noise, *facts.from_data, *facts.came_back}
    indices = [index for index in facts.stored if index not in known]
    if not indices:
        return None
    starts = int(facts.noise["starts"].sum())
    return facts.finding(
        "stored",
        facts.about(
            indices,
            "is stored as an attractor, but nothing that was tried pulled it out",
            "are stored as attractors, but nothing that was tried pulled them out",
        ),
        f"{facts.access}. Also needed, as far as was tried: the example itself, so that this only "
        f"confirms it. {plural(starts, 'start')} from noise did not lead there; others may.",
        f"Observed: the example's own orbit ends {facts.within} it, at a state that attracts.",
        indices,
    )


def _membership(facts: Facts) -> Finding | None:
    told = facts.summary.get("membership")
    scores = {k: v for k, v in ((told or {}).get("scores") or {}).items() if _is_number(v["auc"])}
    if not told or not scores:
        return None
    people = (
        f"{plural(told['members'], 'training example')} and {plural(told['held_out'], 'example')} "
        "that were not trained on"
    )
    telling = {name: s for name, s in scores.items() if s["auc_low"] > 0.5}
    if not telling:
        best = max(scores.values(), key=lambda s: s["auc"])
        return Finding(
            "no_member",
            "Whether an example was in the training data could not be told.",
            "Nobody, by the scores that were tried: "
            f"{joined([name.replace('_', ' ') for name in scores])}.",
            f"Not proof. The best of {plural(len(scores), 'score')} over {people}: area under the "
            f"curve {best['auc']:.2f} ({_area(best)}); 0.5 is guessing.",
            "not_found",
        )
    # Where the loss is as good, nothing more than the loss is needed.
    best = max(telling, key=lambda name: (telling[name]["auc"], name == BASELINE))
    score = telling[best]
    needs = "one application of the network"
    if best in NEEDS_DERIVATIVES:
        needs = "derivatives of the network, so its weights"
    elif best == "distance_moved":
        needs = f"one orbit{facts.at_most.replace(', each', '')}"
    sure = (
        f"Observed over {people}: area under the curve {score['auc']:.2f} ({_area(score)}; 0.5 is "
        f"guessing), the best of {plural(len(scores), 'score')}."
    )
    resolved = (told.get("resolvable") or {}).get("tpr_1", True)
    if resolved and score.get("tpr_1") is not None:
        ends = {"low": score["tpr_1_low"], "high": score["tpr_1_high"]}
        sure += (
            f" Where 1% of those not trained on are mistaken, {percent(score['tpr_1'])} of the "
            f"training examples are found ({interval(ends)})."
        )
    if best != BASELINE and BASELINE in scores:
        loss = scores[BASELINE]
        sure += f" The loss alone: {loss['auc']:.2f} ({_area(loss)})."
    certainty: Certainty = "observed"
    apart = told.get("two_sample")
    if apart is None:
        sure += " Whether the two sets differ by themselves was not tested."
    elif apart["differs"]:
        certainty = "not_specific"
        sure += (
            " Not specific: the two sets differ by themselves; a classifier that never saw the "
            f"network tells them apart with accuracy {apart['accuracy']:.2f} (p = "
            f"{apart['p_value']:.2g}), so this may not come from training."
        )
    return Finding(
        "member",
        "Whether an example was in the training data can be told from the network.",
        f"{facts.access}. Also needed: the example in question. The score is its "
        f"{best.replace('_', ' ')}; it takes {needs}.",
        sure,
        certainty,
    )


def _spurious(facts: Facts) -> Finding | None:
    counts = [
        plural(count, noun)
        for count, noun in (
            (facts.summary.get("spurious") or 0, "attractor"),
            (facts.summary.get("cycles") or 0, "limit cycle"),
        )
        if count
    ]
    if not counts:
        return None
    one = (facts.summary.get("spurious") or 0) + (facts.summary.get("cycles") or 0) == 1
    return Finding(
        "spurious",
        f"{joined(counts)} {'matches' if one else 'match'} no training example that this audit "
        f"was given{nearest_spurious(facts.summary)}.",
        f"{facts.access}.",
        "Observed. They may be mixtures of examples; if the network was trained on more than this "
        "audit was given, they may be others of its training examples.",
        "observed",
    )


def _reproduced(facts: Facts) -> Finding | None:
    match_tol = facts.summary.get("match_tol")
    if match_tol is None:
        return None
    rows = facts.audit.examples.filter(~pl.col("stored"), pl.col("residual") <= match_tol)
    indices = rows["index"].to_list()
    if not indices:
        return None
    return Finding(
        "reproduced",
        facts.about(
            indices, "is reproduced, but not stored", "are reproduced, but not stored as attractors"
        ),
        "Nobody gets one by iterating, as far as was tried: there is no attractor at it.",
        f"Observed: the network's output is {facts.within} its input. "
        "That alone does not tell an example that was memorized from a map close to the identity.",
        "observed",
        tuple(indices),
    )


def _nothing(facts: Facts) -> Finding | None:
    if facts.attractor or not facts.total:
        return None
    starts = int(facts.noise["starts"].sum())
    copies = int(facts.audit.recall["trials"].sum())
    tried = [plural(starts, "start") + f" of {plural(facts.noise.height, 'kind')} from noise"]
    if copies:
        tried.append(plural(copies, "damaged copy").replace("copys", "copies"))
    stored = facts.summary.get("stored")
    rate = (
        f" Stored: {stored['count']} of {stored['total']:,} ({interval(stored)})." if stored else ""
    )
    return Finding(
        "nothing",
        "No training example could be pulled out of the network by iterating it.",
        f"Nobody, by what was tried: {joined(tried)}{facts.at_most}.",
        f"Not proof: other starts or other attacks may succeed.{rate}",
        "not_found",
    )


def _controls(facts: Facts) -> Finding | None:
    if not facts.not_specific:
        return None
    looked_at = [
        words
        for name, words in (
            ("untrained", "an untrained network of the same architecture"),
            ("held_out", "examples that were not trained on"),
        )
        if facts.control(name)
    ]
    return Finding(
        "not_specific",
        f"Found where nothing was learned, too: {measurements(facts.not_specific)}.",
        "By themselves these say nothing about memory, here or elsewhere.",
        f"Observed on {joined(looked_at)}.",
        "not_specific",
    )


def _not_trained(facts: Facts) -> Finding | None:
    summary = facts.summary
    # Where all are stored, more training could not store more.
    if summary.get("interpolated") is not False or len(facts.stored) == facts.total:
        return None
    return Finding(
        "not_trained",
        "The network does not fit its training examples, so this audit says nothing about what it "
        "could memorize if trained further.",
        "This concerns whoever trains it further: audit again then.",
        f"Observed: training loss {summary['training_loss']:.1e}.",
        "observed",
    )


def _rate(count: int, total: int) -> dict[str, float]:
    low, high = wilson(count, total)
    return {"low": float(low), "high": float(high)}


def _area(score: Mapping[str, Any]) -> str:
    return f"95% interval {score['auc_low']:.2f} to {score['auc_high']:.2f}"


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(value)
