"""The meaning of the numbers, and what was not tried."""

from collections.abc import Sequence

import polars as pl

from mnemoscope.base.labels import STARTS, start_label
from mnemoscope.base.text import number, percent, setting
from mnemoscope.results.audit import Audit, drawn_as_picture
from mnemoscope.results.summary import EffectiveRank, Summary


def meanings(audit: Audit) -> list[str]:
    """Explains the numbers of an audit."""
    summary = audit.summary
    lines = [
        "An example counts as stored if its orbit converges to an attractor within "
        f"{setting(summary.match_tol)} (root mean square) of it. A map that leaves states "
        "unchanged, such as the identity, stores nothing.",
        "Every interval is a 95% Wilson interval. It accounts for the random draw of starts "
        "and corruptions from their distributions. It does not account for another network, seed "
        "or data set, and treats trials that share an example as independent.",
        "A basin fraction is a share of the starts from noise, all distributions together. Other "
        "distributions give other fractions; none is the volume of a basin.",
        "The Good–Turing share estimates how probable it is that the next start of the same "
        "distribution ends at an attractor that no start so far has reached.",
    ]
    lines += _duplicates(summary.duplicates)
    span, rank = summary.span_distance, summary.effective_rank
    if span is not None and span.median is not None:
        lines.append(
            f"The map's outputs lie a median distance of {number(span.median)} (root mean "
            f"square) over {span.inputs:,} inputs from the linear span of the examples."
        )
    if rank is not None and rank.examples is not None and rank.outputs is not None:
        lines.append(_rank(rank))
    return lines + _clipped(audit)


def untried(audit: Audit) -> list[str]:
    """Lists what the audit did not try, and therefore cannot exclude."""
    starts = int(audit.starts["starts"].sum())
    lines = [
        f"{starts:,} starts were followed. An example that none of them reached may be "
        "reached by another: a negative result is no proof."
        if starts
        else "No starts were followed: nothing is known about basins or spurious attractors."
    ]
    missing_starts = [kind for kind in STARTS if kind not in set(audit.starts["kind"])]
    if starts and missing_starts:
        lines.append("Starts not tried: " + ", ".join(map(start_label, missing_starts)) + ".")
    tried = set(audit.recall.filter(pl.col("trials") > 0)["corruption"])
    missing = [one.label for one in audit.summary.corruptions if one.name not in tried]
    if missing:
        lines.append("Corruptions not tried: " + ", ".join(missing) + ".")
    lines += _not_made(audit.summary)
    unsettled = audit.summary.unsettled
    if unsettled.count:
        lines.append(
            f"{unsettled.fraction} starts had not settled when their steps ran out; where they "
            "would end is unknown."
        )
    lines += _outside(audit.summary)
    if audit.spectra.height:
        most = audit.spectra.group_by("example").len()["len"].max()
        lines.append(
            f"At most {most} leading eigenvalues were computed at each example, to the residual "
            "in the table."
        )
    lines.append(
        "Only iterating the map was tried. Recovery of examples as an inverse problem "
        "(mn.recover), gradient search over inputs, or comparison with a network trained without "
        "an example may reveal memorization that this audit does not."
    )
    return lines


def _outside(summary: Summary) -> list[str]:
    """States the domain of the map, and counts the starts that left it."""
    domain, left, lines = summary.domain, summary.left_domain, []
    if domain is not None:
        ends = [
            f"{word} {setting(end)}"
            for word, end in (("at least", domain.low), ("at most", domain.high))
            if end is not None
        ]
        if ends:
            lines.append(
                f"The map was taken to be defined for states whose entries are {' and '.join(ends)}"
                ". Starts were drawn within these bounds, entries beyond them moved to them."
            )
        if domain.refused:
            lines.append(
                f"The map raises for some states ({domain.refused}); these are outside its domain."
            )
    if left.count:
        lines.append(
            f"{left.fraction} starts reached a state outside the map's domain, where their orbits "
            "end; they count as starts that reached no attractor."
        )
    return lines


def _not_made(summary: Summary) -> list[str]:
    """Lists what could not be measured, with the reasons."""
    lines = []
    if summary.black_box:
        lines.append(
            "The map could only be evaluated: contraction was measured from differences "
            "between orbits, with intervals, and there are no operator norms and no proofs."
        )
    steps = summary.resolution
    if steps is not None and steps.kind != "smooth":
        how = "The map is quantized" if steps.kind == "quantized" else "The map is rounded"
        lines.append(
            f"{how}: its values come in steps of {steps.entry:.2g}. Contraction is measured as "
            f"growth over differences of about {steps.length:.2g} (root mean square), and fixed "
            "points that differ only by rounding count as one attractor. A rate that cannot be "
            "resolved is missing."
        )
    if summary.certified_missing:
        lines.append(f"No attractor was proved to be one: {summary.certified_missing}.")
    if summary.partial:
        lines.append(
            f"The audit was interrupted. It lacks: {', '.join(summary.partial)}. Its "
            "attractors and disclosed examples are a part of those of a complete audit."
        )
    if summary.left_out:
        lines.append(f"Omitted: {', '.join(summary.left_out)}.")
    if summary.membership is None and "membership" not in summary.partial + summary.left_out:
        lines.append("Membership was not measured: no held-out data was given for comparison.")
    if summary.controls is not None and summary.controls.untrained_missing:
        lines.append(f"There is no untrained control: {summary.controls.untrained_missing}.")
    return lines


def _duplicates(pairs: Sequence[tuple[int, int]]) -> list[str]:
    if not pairs:
        return []
    named = ", ".join(f"{a} and {b}" for a, b in pairs[:12])
    more = f" and {len(pairs) - 12} more pairs" if len(pairs) > 12 else ""
    return [
        f"These training examples are duplicates of each other and cannot be distinguished: "
        f"{named}{more}."
    ]


def _rank(rank: EffectiveRank) -> str:
    text = (
        f"The effective rank of the examples is {number(rank.examples)}, that of the map's "
        f"outputs {number(rank.outputs)}"
    )
    counts = (rank.examples_count, rank.outputs_count)
    if None not in counts and rank.threshold is not None:
        text += (
            f" ({number(counts[0])} and {number(counts[1])} singular values above "
            f"{setting(rank.threshold)})"
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
