"""The verdict of an audit: one sentence, made only from measured numbers."""

from mnemoscope.base.stats import Rate
from mnemoscope.base.text import joined, plural
from mnemoscope.results.summary import Reached, Summary

NEAR_MISS = 2
"""Multiple of `match_tol` within which an attractor is reported as just above it: a tolerance of
the same order would match it to a training example."""


def verdict(summary: Summary) -> str:
    """Says in one sentence what the map has memorized."""
    n, stored = summary.stored.total, summary.stored.count
    parts = [_stored(stored, n), *_near(summary)]
    if stored:
        recalled = summary.recalled
        if recalled is not None:
            parts.append(
                f"{_share(recalled)} of the copies with noise of standard deviation "
                f"{recalled.strength:g} lead back to their example"
            )
        parts.append(_reached(summary.reached, stored))
    parts.append(_others(summary))
    sentence = "; ".join(filter(None, parts)) + "."
    # Where all are stored, more training could not store more.
    if not summary.interpolated and stored < n:
        sentence = (
            f"Not trained to interpolation (loss {summary.training_loss:.1e}), so this says "
            f"nothing about what it could memorize: {sentence[0].lower()}{sentence[1:]}"
        )
    before = f"Partial audit, interrupted before: {', '.join(summary.partial)}. "
    return f"{before if summary.partial else ''}{sentence}{_limits(summary)}"


def nearest_spurious(summary: Summary) -> str:
    """Returns the distance of the nearest spurious attractor, as an addition to their number.

    Example:
        ', the nearest at 0.5 units from training example 3'
    """
    nearest = summary.nearest_spurious
    if nearest is None or nearest.distance is None:
        return ""
    place = f"{nearest.distance:.3g} units from training example {nearest.example}"
    if nearest.distance <= NEAR_MISS * summary.match_tol:
        place += f", just above match_tol {summary.match_tol:g}"
    one = summary.spurious + summary.cycles == 1
    return f", {place}" if one else f", the nearest at {place}"


def _limits(summary: Summary) -> str:
    """States the limits of the numbers: a part of the examples, a time, a quantized map."""
    text, n = "", summary.examples
    if summary.among is not None:
        be = "This is" if n == 1 else "These are"
        text += f" {be} {n:,} of {summary.among:,} training examples; the others were not audited."
    planned = summary.planned
    if planned and planned.left_out:
        text += f" Omitted to stay within {planned.minutes:g} minutes: {joined(planned.left_out)}."
    if planned and planned.seconds > 60 * planned.minutes:
        text += f" It took {planned.seconds / 60:.2g} minutes, more than planned."
    steps = summary.resolution
    if steps and steps.kind == "quantized":
        text += (
            f" The map is quantized: its values come in steps of {steps.entry:.2g}, and growth "
            f"was measured over differences of {steps.length:.2g}."
        )
    return text


def _stored(stored: int, n: int) -> str:
    if n == 1:
        return f"The training example is {'stored' if stored else 'not stored'} as an attractor"
    if stored == n:
        return f"All {n} training examples are stored as attractors"
    if stored == 0:
        return f"None of the {n} training examples is stored as an attractor"
    how = "is stored as an attractor" if stored == 1 else "are stored as attractors"
    return f"{stored} of {n} training examples {how}"


def _near(summary: Summary) -> list[str]:
    """Counts examples that are disclosed without being stored, and indistinguishable ones."""
    parts = []
    count, alike = summary.disclosed.count, summary.indistinguishable
    if count > summary.stored.count:
        be, each = ("is", "it") if count == 1 else ("are", "each")
        within = f"an attractor lies within {summary.match_tol:g} units of"
        parts.append(f"{count} {be} disclosed ({within} {each})")
    if alike:
        be = "is" if alike == 1 else "are"
        parts.append(f"{alike} {be} too close to another example to be distinguished")
    return parts


def _share(rate: Rate) -> str:
    if rate.count in (0, rate.total):
        return "all" if rate.count else "none"
    share = f"{100 * rate.rate:.1f}%"
    # Rounding must not turn some into none, or most into all.
    return f"{rate.count} of {rate.total}" if share in ("0.0%", "100.0%") else share


def _reached(reached: Reached, stored: int) -> str:
    if not reached.starts:
        return ""
    out = "out of the weights from pure noise, with no data"
    if stored == 1:
        return f"it comes {out}" if reached.count else "it was not reached from pure noise"
    if reached.count == stored:
        return f"all {stored} come {out}"
    if reached.count == 0:
        return "none of them was reached from pure noise"
    return f"{reached.count} of them {'comes' if reached.count == 1 else 'come'} {out}"


def _others(summary: Summary) -> str:
    counted = ((summary.spurious, "spurious attractor"), (summary.cycles, "limit cycle"))
    found = [plural(count, noun) for count, noun in counted if count]
    parts = []
    if found:
        be = "was" if summary.spurious + summary.cycles == 1 else "were"
        besides = "" if not summary.stored.count else " as well"
        parts.append(f"{joined(found)} {be} found{besides}{nearest_spurious(summary)}")
    unsettled, left = summary.unsettled, summary.left_domain
    if unsettled.count:
        parts.append(f"{unsettled.count} of {unsettled.total} starts never settled")
    if left.count:
        parts.append(f"{left.count} of {left.total} starts left the map's domain")
    return ", and ".join(parts)
