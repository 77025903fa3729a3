"""The verdict: one sentence made from the numbers, with no number that was not measured."""

from typing import Any

from mnemoscope.results.wording import nearest_spurious


def verdict(summary: dict[str, Any]) -> str:
    """What the map has memorized, in one sentence.

    Args:
        summary: `stored`, `disclosed`, `indistinguishable`, `match_tol`, `recalled`,
            `reached_from_noise`, `spurious`, `nearest_spurious`, `cycles`, `unsettled`,
            `left_domain`, `interpolated`, `training_loss`, `examples`, `among`, `planned`,
            `partial`, as `Audit.summary` has them.
    """
    n, stored = summary["stored"]["total"], summary["stored"]["count"]
    parts = [_stored(stored, n), *_near(summary)]
    if stored:
        recalled = summary.get("recalled")
        if recalled is not None:
            parts.append(
                f"{_share(recalled)} of the copies with noise of standard deviation "
                f"{recalled['strength']:g} lead back to their example"
            )
        reached = _reached(summary["reached_from_noise"], stored)
        if reached:
            parts.append(reached)
    others = _others(summary)
    if others:
        parts.append(others)
    sentence = "; ".join(parts) + "."
    # Where all are stored, more training could not store more.
    if summary.get("interpolated") is False and stored < n:
        sentence = (
            f"Not trained to interpolation (loss {summary['training_loss']:.1e}), so this says "
            f"nothing about what it could memorize: {sentence[0].lower()}{sentence[1:]}"
        )
    return (
        _partial(summary)
        + sentence
        + _part(summary)
        + _planned(summary)
        + _steps(summary.get("resolution"))
    )


def _partial(summary: dict[str, Any]) -> str:
    """Says which parts an audit that was interrupted lacks."""
    missing = summary.get("partial")
    return f"Partial audit, interrupted before: {', '.join(missing)}. " if missing else ""


def _part(summary: dict[str, Any]) -> str:
    """Says that the examples are a part of those that the map was trained on."""
    among = summary.get("among")
    if among is None:
        return ""
    n = summary["examples"]
    be = "This is" if n == 1 else "These are"
    return f" {be} {n:,} of {among:,} training examples; the others were not audited."


def _planned(summary: dict[str, Any]) -> str:
    """Says what was left out of an audit that was planned for a time, and whether it kept to it."""
    planned = summary.get("planned")
    if not planned:
        return ""
    told, minutes = "", planned["minutes"]
    if planned["left_out"]:
        *first, last = planned["left_out"]
        every = f"{', '.join(first)} and {last}" if first else last
        told = f" Left out, to keep to {minutes:g} minutes: {every}."
    if planned["seconds"] > 60 * minutes:
        told += f" It took {planned['seconds'] / 60:.2g} minutes, more than planned."
    return told


def _steps(resolution: dict[str, Any] | None) -> str:
    """Says that a map is quantized, which is what its numbers are to be read by."""
    if not resolution or resolution["kind"] != "quantized":
        return ""
    return (
        f" The map is quantized: its values come in steps of {resolution['entry']:.2g}, and growth "
        f"was measured over differences of {resolution['length']:.2g}."
    )


def _stored(stored: int, n: int) -> str:
    if n == 1:
        return (
            "The training example is "
            + ("stored" if stored else "not stored")
            + (" as an attractor")
        )
    if stored == n:
        return f"All {n} training examples are stored as attractors"
    if stored == 0:
        return f"None of the {n} training examples is stored as an attractor"
    how = "is stored as an attractor" if stored == 1 else "are stored as attractors"
    return f"{stored} of {n} training examples {how}"


def _near(summary: dict[str, Any]) -> list[str]:
    """Examples that are disclosed without being stored, and those that cannot be told apart."""
    parts = []
    count, stored = summary["disclosed"]["count"], summary["stored"]["count"]
    if count > stored:
        within = f"an attractor lies within {summary['match_tol']:g} units of"
        be, each = ("is", "it") if count == 1 else ("are", "each")
        parts.append(f"{count} {be} disclosed ({within} {each})")
    alike = summary["indistinguishable"]
    if alike:
        be = "is" if alike == 1 else "are"
        parts.append(f"{alike} {be} too close to another example to be distinguished")
    return parts


def _share(rate: dict[str, Any]) -> str:
    count, total = rate["count"], rate["total"]
    if count in (0, total):
        return "all" if count else "none"
    share = f"{100 * count / total:.1f}%"
    # Not "100.0%" of what is not all, nor "0.0%" of what is not none.
    return f"{count} of {total}" if share in ("0.0%", "100.0%") else share


def _reached(reached: dict[str, Any], stored: int) -> str:
    if not reached["starts"]:
        return ""
    told = "out of the weights from pure noise, with no data"
    if stored == 1:
        return f"it comes {told}" if reached["count"] else "it was not reached from pure noise"
    if reached["count"] == stored:
        return f"all {stored} come {told}"
    if reached["count"] == 0:
        return "none of them was reached from pure noise"
    return f"{reached['count']} of them {'comes' if reached['count'] == 1 else 'come'} {told}"


def _others(summary: dict[str, Any]) -> str:
    counted = [
        (summary["spurious"], "spurious attractor"),
        (summary["cycles"], "limit cycle"),
    ]
    found = [f"{count} {noun}{'s' * (count > 1)}" for count, noun in counted if count]
    told = ""
    if found:
        be = "was" if summary["spurious"] + summary["cycles"] == 1 else "were"
        told = f"{' and '.join(found)} {be} found"
        stored = summary["stored"]["count"]
        if stored:
            told += " beside it" if stored == 1 else " beside them"
        told += nearest_spurious(summary)
    unsettled = summary["unsettled"]
    if unsettled["count"]:
        late = f"{unsettled['count']} of {unsettled['total']} starts never settled"
        told = f"{told}, and {late}" if told else late
    left = summary.get("left_domain")
    if left and left["count"]:
        gone = f"{left['count']} of {left['total']} starts left the map's domain"
        told = f"{told}, and {gone}" if told else gone
    return told
