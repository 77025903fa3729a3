"""The numbers under the verdict."""

from dataclasses import dataclass

from mnemoscope.base.stats import Rate, Share
from mnemoscope.base.text import finite, number, plural, setting
from mnemoscope.report.words import corruption_name, strength_name
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import Summary


@dataclass(frozen=True)
class KeyFigure:
    """A number with its name.

    Attributes:
        name: What it is.
        value: The number as text.
        note: What it was made from.
        rate: The rate behind it, where it is one with an interval.
        colour: The thing whose colour it wears (a key of `COLOURS`), or an empty string.
    """

    name: str
    value: str
    note: str
    rate: Rate | None = None
    colour: str = ""


def key_figures(audit: Audit) -> list[KeyFigure]:
    """Lists the figures that a reader wants first."""
    summary = audit.summary
    figures = [_counted("training examples stored", summary.stored, "stored")]
    if summary.disclosed.count > summary.stored.count:
        figures.append(_counted("training examples disclosed", summary.disclosed, "spurious"))
    recalled = summary.recalled
    if recalled is not None and recalled.total:
        source = corruption_name(recalled.corruption)
        strength = f"{strength_name(recalled.corruption)} {setting(recalled.strength)}"
        name, note = f"recalled from {source}, {strength}", f"{recalled.fraction} trials"
        figures.append(KeyFigure(name, recalled.text, note, recalled, "stored"))
    figures += [_reached(summary), _spurious(summary)]
    figures += _of_starts(summary)
    if summary.undecided:
        note = f"of {summary.examples:,}: the bound on the spectral radius is not below 1"
        name = "undecided whether contractive"
        figures.append(KeyFigure(name, f"{summary.undecided:,}", note))
    figures.append(_training(summary, interpolation_threshold(audit)))
    return figures


def interpolation_threshold(audit: Audit) -> float | None:
    """Returns the loss that counted as interpolation in training; None if it is not known."""
    return finite((audit.provenance.get("training") or {}).get("tol"))


def _counted(name: str, rate: Rate, colour: str) -> KeyFigure:
    return KeyFigure(name, f"{rate.count:,}", f"of {rate.total:,}", rate, colour)


def _reached(summary: Summary) -> KeyFigure:
    reached: Share = summary.reached
    note = f"of {reached.total:,}, by {summary.reached.starts:,} starts"
    name = "distinct examples reached from noise"
    return KeyFigure(name, f"{reached.count:,}", note, colour="stored")


def _spurious(summary: Summary) -> KeyFigure:
    note = "match no training example" if summary.spurious else "none found"
    near = summary.nearest_spurious
    if near is not None and near.distance is not None:
        note += f"; the nearest {number(near.distance)} units from example {near.example}"
    if summary.cycles:
        note += f"; also {plural(summary.cycles, 'limit cycle')}"
    return KeyFigure("spurious attractors", f"{summary.spurious:,}", note, colour="spurious")


def _of_starts(summary: Summary) -> list[KeyFigure]:
    shown = [("of starts did not settle", summary.unsettled, "unsettled")]
    if summary.left_domain.count:
        shown.append(("of starts left the map's domain", summary.left_domain, "left_domain"))
    return [
        KeyFigure(name, rate.text, f"{rate.fraction} starts", rate, colour)
        for name, rate, colour in shown
        if rate.total
    ]


def _training(summary: Summary, tol: float | None) -> KeyFigure:
    note = "interpolates" if summary.interpolated else "does not interpolate"
    if tol is not None:
        note += f" (threshold {setting(tol)})"
    return KeyFigure("training loss", number(summary.training_loss), note)
