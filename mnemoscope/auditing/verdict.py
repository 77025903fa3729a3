"""The verdict: one sentence made from the numbers, with no number that was not measured."""

from typing import Any


def verdict(summary: dict[str, Any]) -> str:
    """What the map has memorized, in one sentence.

    Args:
        summary: `examples`, `stored`, `recalled`, `reached_from_noise`, `spurious`, `cycles`,
            `unsettled`, `interpolated`, `training_loss`, as `Audit.summary` has them.
    """
    n, stored = summary["examples"], summary["stored"]["count"]
    parts = [_stored(stored, n)]
    if stored:
        recalled = summary.get("recalled")
        if recalled is not None:
            parts.append(
                f"{_share(recalled)} of the copies with noise of standard deviation "
                f"{recalled['strength']:g} lead back to their example"
            )
        reached = summary["reached_from_noise"]
        if reached["count"] == stored == 1:
            parts.append("it comes out of the weights from pure noise, with no data")
        elif reached["count"] == stored:
            parts.append(f"all {stored} come out of the weights from pure noise, with no data")
        elif reached["count"]:
            parts.append(
                f"{reached['count']} of them come out of the weights from pure noise, with no data"
            )
        else:
            parts.append("none of them was reached from pure noise")
    others = _others(summary)
    if others:
        parts.append(others)
    sentence = "; ".join(parts) + "."
    if summary.get("interpolated") is False:
        sentence = (
            f"Not trained to interpolation (loss {summary['training_loss']:.1e}), so this says "
            f"nothing about what it could memorize: {sentence[0].lower()}{sentence[1:]}"
        )
    return sentence


def _stored(stored: int, n: int) -> str:
    if n == 1:
        return "The training example is " + ("stored" if stored else "not stored") + (
            " as an attractor"
        )
    if stored == n:
        return f"All {n} training examples are stored as attractors"
    if stored == 0:
        return f"None of the {n} training examples is stored as an attractor"
    be = "is" if stored == 1 else "are"
    return f"{stored} of {n} training examples {be} stored as attractors"


def _share(rate: dict[str, Any]) -> str:
    if rate["count"] == rate["total"]:
        return "all"
    share = 100 * rate["count"] / rate["total"]
    return f"{share:.1f}%" if 0 < share < 100 else f"{rate['count']} of {rate['total']}"


def _others(summary: dict[str, Any]) -> str:
    found = []
    if summary["spurious"]:
        noun = "attractor" if summary["spurious"] == 1 else "attractors"
        found.append(f"{summary['spurious']} spurious {noun}")
    if summary["cycles"]:
        found.append(f"{summary['cycles']} limit cycle" + "s" * (summary["cycles"] > 1))
    told = " and ".join(found) + " were found beside them" if found else ""
    if found and not summary["stored"]["count"]:
        told = " and ".join(found) + (" was found" if len(found) == 1 else " were found")
    unsettled = summary["unsettled"]
    if unsettled["count"]:
        late = f"{unsettled['count']} of {unsettled['total']} starts never settled"
        told = f"{told}, and {late}" if told else late
    return told
