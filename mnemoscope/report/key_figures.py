"""The four to six numbers under the verdict."""

from dataclasses import dataclass
from typing import Any

from mnemoscope.base.text import number, setting
from mnemoscope.report.rates import Rate, rate_of_summary
from mnemoscope.report.threshold import interpolation_threshold
from mnemoscope.report.words import corruption_name, strength_name
from mnemoscope.results.audit import Audit


@dataclass(frozen=True)
class KeyFigure:
    """A number with its name.

    Attributes:
        name: What it is.
        value: The number as text.
        note: What it was made from.
        rate: The rate behind it, where it is one.
        colour: The thing whose colour it wears (a key of `COLOURS`), or an empty string.
    """

    name: str
    value: str
    note: str
    rate: Rate | None = None
    colour: str = ""


def key_figures(audit: Audit) -> list[KeyFigure]:
    """The figures that the summary has numbers for."""
    summary = audit.summary
    found = (
        _stored(summary),
        _disclosed(summary),
        _recalled(summary),
        _reached(summary),
        _spurious(summary),
        _unsettled(summary),
        _left_domain(summary),
        _undecided(summary),
        _training(summary, interpolation_threshold(audit)),
    )
    return [figure for figure in found if figure is not None]


def _stored(summary: dict[str, Any]) -> KeyFigure | None:
    rate = rate_of_summary(summary.get("stored"))
    if rate is None:
        return None
    return KeyFigure(
        "training examples stored", f"{rate.count:,}", f"of {rate.total:,}", rate, "stored"
    )


def _disclosed(summary: dict[str, Any]) -> KeyFigure | None:
    """How many examples an attractor lies near, where that is more than are stored."""
    rate = rate_of_summary(summary.get("disclosed"))
    stored = rate_of_summary(summary.get("stored"))
    if rate is None or stored is None or (rate.count or 0) <= (stored.count or 0):
        return None
    return KeyFigure(
        "training examples disclosed", f"{rate.count:,}", f"of {rate.total:,}", rate, "spurious"
    )


def _recalled(summary: dict[str, Any]) -> KeyFigure | None:
    entry = summary.get("recalled")
    rate = rate_of_summary(entry)
    if rate is None or entry is None:
        return None
    corruption = entry.get("corruption")
    source = ""
    if corruption:
        source = f" from {corruption_name(corruption)}"
        if entry.get("strength") is not None:
            source += f", {strength_name(corruption)} {setting(entry['strength'])}"
    return KeyFigure("recalled" + source, rate.text, f"{rate.fraction} trials", rate, "stored")


def _reached(summary: dict[str, Any]) -> KeyFigure | None:
    entry = summary.get("reached_from_noise")
    if not entry or not entry.get("total"):
        return None
    starts = f", by {entry['starts']:,} starts" if entry.get("starts") else ""
    return KeyFigure(
        "distinct examples reached from noise",
        f"{entry['count']:,}",
        f"of {entry['total']:,}{starts}",
        colour="stored",
    )


def _spurious(summary: dict[str, Any]) -> KeyFigure | None:
    if summary.get("spurious") is None:
        return None
    cycles = summary.get("cycles")
    note = "match no training example" if summary["spurious"] else "none found"
    near = summary.get("nearest_spurious")
    if near and near.get("distance") is not None:
        note += f"; the nearest {number(near['distance'])} units from example {near['example']}"
    if cycles:
        note += f"; {cycles:,} limit cycle{'' if cycles == 1 else 's'} besides"
    return KeyFigure("spurious attractors", f"{summary['spurious']:,}", note, colour="spurious")


def _unsettled(summary: dict[str, Any]) -> KeyFigure | None:
    rate = rate_of_summary(summary.get("unsettled"))
    if rate is None:
        return None
    return KeyFigure(
        "of starts did not settle", rate.text, f"{rate.fraction} starts", rate, "unsettled"
    )


def _left_domain(summary: dict[str, Any]) -> KeyFigure | None:
    """How many starts came to a state that the map does not take, where any did."""
    rate = rate_of_summary(summary.get("left_domain"))
    if rate is None or not rate.count:
        return None
    return KeyFigure(
        "of starts left the map's domain", rate.text, f"{rate.fraction} starts", rate, "left_domain"
    )


def _undecided(summary: dict[str, Any]) -> KeyFigure | None:
    """How many examples no bound decides of, where there are any."""
    if not summary.get("undecided"):
        return None
    note = f"of {summary['examples']:,}: the bound on the spectral radius is not below 1"
    return KeyFigure("undecided whether contractive", f"{summary['undecided']:,}", note)


def _training(summary: dict[str, Any], tol: float | None) -> KeyFigure | None:
    if summary.get("training_loss") is None:
        return None
    told = ""
    if summary.get("interpolated") is not None:
        told = "interpolates" if summary["interpolated"] else "does not interpolate"
    if told and tol is not None:
        told += f" (threshold {setting(tol)})"
    return KeyFigure("training loss", number(summary["training_loss"]), told)
