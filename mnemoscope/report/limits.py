"""What the numbers mean, and what was not tried."""

from typing import Any

import polars as pl

from mnemoscope.base.text import number, percent, setting
from mnemoscope.report.words import CORRUPTIONS, START_KINDS, corruption_name, start_name
from mnemoscope.results.audit import Audit
from mnemoscope.results.pictures import drawn_as_picture


def meanings(audit: Audit) -> list[str]:
    """What the numbers mean: fixed text with the facts of this audit."""
    summary = audit.summary
    match = summary.get("match_tol")
    within = (
        f" within {setting(match)} (root mean square) of it" if match is not None else " near it"
    )
    told = [
        f"An example counts as stored if its orbit converges to an attractor{within}. "
        "A map that merely stays where it is put, such as the identity, stores nothing.",
        "Every interval is a 95% Wilson interval. It says how far the rate could differ had "
        "other starts or corruptions been drawn from the same distribution. It does not say how "
        "the numbers would differ for another network, seed or data set, and trials that share "
        "an example are counted as if they were independent.",
        "A basin fraction is a share of the starts from noise, all distributions together. Other "
        "distributions give other fractions; none is the volume of a basin.",
        "The Good–Turing share estimates how probable it is that the next start of the same "
        "distribution ends at an attractor that no start so far has reached.",
    ]
    told += _duplicates(summary.get("duplicates") or [])
    span = summary.get("span_distance")
    if span and span.get("median") is not None:
        inputs = f" over {span['inputs']:,} inputs" if span.get("inputs") else ""
        told.append(
            f"The map's outputs lie a median distance of {number(span['median'])} (root mean "
            f"square){inputs} from the linear span of the examples."
        )
    rank = summary.get("effective_rank")
    if rank and rank.get("examples") is not None and rank.get("outputs") is not None:
        told.append(_rank(rank))
    told += _clipped(audit)
    return told


def untried(audit: Audit) -> list[str]:
    """What the audit did not try, and so cannot exclude."""
    starts = int(audit.starts["starts"].sum())
    told = [
        f"{starts:,} starts were followed. An example that none of them reached may still be "
        "reached by another: finding nothing is not proof that nothing is there."
        if starts
        else "No starts were followed: nothing is known about basins or spurious attractors."
    ]
    missing_starts = [kind for kind in START_KINDS if kind not in set(audit.starts["kind"])]
    if starts and missing_starts:
        told.append("Starts not tried: " + ", ".join(map(start_name, missing_starts)) + ".")
    tried = set(audit.recall.filter(pl.col("trials") > 0)["corruption"])
    missing = [name for name in CORRUPTIONS if name not in tried]
    if missing:
        told.append("Corruptions not tried: " + ", ".join(map(corruption_name, missing)) + ".")
    told += _not_made(audit.summary)
    unsettled = audit.summary.get("unsettled")
    if unsettled and unsettled.get("count"):
        told.append(
            f"{unsettled['count']:,} of {unsettled['total']:,} starts had not settled when their "
            "steps ran out; where they would have ended is not known."
        )
    told += _outside(audit.summary)
    if audit.spectra.height:
        most = audit.spectra.group_by("example").len()["len"].max()
        told.append(
            f"At most {most} leading eigenvalues were computed at each example, and to the "
            "residual that the table tells."
        )
    told.append(
        "Only iterating the map was tried. Recovering examples as an inverse problem "
        "(mn.recover), searching inputs by gradient, or comparing it with a network trained "
        "without an example, could show memory that this audit does not."
    )
    return told


def _outside(summary: dict[str, Any]) -> list[str]:
    """Which states the map does not take, and how many starts came to such."""
    domain, left = summary.get("domain"), summary.get("left_domain")
    told = []
    if domain:
        ends = [
            f"{word} {setting(domain[end])}"
            for word, end in (("at least", "low"), ("at most", "high"))
            if domain.get(end) is not None
        ]
        if ends:
            told.append(
                f"The map was taken to be defined for states whose entries are {' and '.join(ends)}"
                ". Starts were drawn within these bounds, entries beyond them moved to them."
            )
        if domain.get("refused"):
            told.append(
                f"The map raises for some states ({domain['refused']}); these are outside its "
                "domain."
            )
    if left and left.get("count"):
        told.append(
            f"{left['count']:,} of {left['total']:,} starts came to a state outside the map's "
            "domain, where their orbits end; they count as starts that reached nothing."
        )
    return told


def _not_made(summary: dict[str, Any]) -> list[str]:
    """What could not be measured of this map, and why."""
    told = []
    if summary.get("black_box"):
        told.append(
            "The map could only be evaluated: how it contracts was measured from differences "
            "between orbits, with intervals, and there are no operator norms and no proofs."
        )
    steps = summary.get("resolution")
    if steps and steps["kind"] != "smooth":
        how = "The map is quantized" if steps["kind"] == "quantized" else "The map is rounded"
        told.append(
            f"{how}: its values come in steps of {steps['entry']:.2g}. How it contracts is its "
            f"growth over differences of about {steps['length']:.2g} (root mean square), and fixed "
            "points that only rounding keeps apart count as one attractor. A rate that the steps "
            "hide is missing."
        )
    why_not = summary.get("certified_why_not")
    if why_not:
        told.append(f"No attractor was proved to be one: {why_not}.")
    if missing := summary.get("partial"):
        told.append(
            f"The audit was interrupted. It lacks: {', '.join(missing)}. What it says of "
            "attractors and disclosed examples is a part of what a whole one finds."
        )
    if left_out := summary.get("left_out"):
        told.append(f"Left out: {', '.join(left_out)}.")
    if not summary.get("membership") and "membership" not in [*(missing or []), *(left_out or [])]:
        told.append(
            "Whether scores tell examples from others was not measured: no held-out data was given."
        )
    untrained = (summary.get("controls") or {}).get("untrained") or {}
    if untrained.get("why_not"):
        told.append(f"There is no untrained control: {untrained['why_not']}.")
    return told


def _duplicates(pairs: list[list[int]]) -> list[str]:
    if not pairs:
        return []
    named = ", ".join(f"{a} and {b}" for a, b in pairs[:12])
    more = f" and {len(pairs) - 12} pairs more" if len(pairs) > 12 else ""
    return [
        f"These training examples are duplicates of each other and cannot be told apart: "
        f"{named}{more}."
    ]


def _rank(rank: dict[str, float]) -> str:
    text = (
        f"The effective rank of the examples is {number(rank['examples'])}, that of the map's "
        f"outputs {number(rank['outputs'])}"
    )
    counts = rank.get("examples_count"), rank.get("outputs_count")
    if None not in counts and rank.get("threshold") is not None:
        text += (
            f" ({number(counts[0])} and {number(counts[1])} singular values above "
            f"{setting(rank['threshold'])})"
        )
    return text + "."


def _clipped(audit: Audit) -> list[str]:
    examples = audit.pictures.get("examples")
    if examples is None or examples.numel() == 0 or not drawn_as_picture(examples.shape[1:]):
        return []
    outside = float(((examples < 0) | (examples > 1)).float().mean())
    if not outside:
        return []
    return [
        f"Pictures are drawn with values clipped to between 0 and 1; {percent(outside)} of the "
        "examples' values lie outside."
    ]
