"""The sections of a sweep's page with charts: which quantities are drawn against which factors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

from markupsafe import Markup

from mnemoscope.base.quantity import Quantity
from mnemoscope.base.text import joined
from mnemoscope.report.sweep.charts import MAX_BANDS, MAX_COLOURS, View
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.runs import (
    HEADLINES,
    MAX_LEADING,
    OUTCOMES,
    Runs,
    estimated,
    is_share,
    title,
    words,
)

OF_PAIRS = ("stored", "contractive", "interpolated")
"""The shares that each pair of factors has a map of."""

DRAWN_ELSEWHERE = set(HEADLINES) - {"recalled"}
"""The shares whose charts are not among those of the measured numbers."""

MAX_CHARTS = 60
"""Charts of measured numbers on a page; quantities beyond these are named and not drawn."""

MAX_COLOURED = 3
"""Factors up to which each colors the curves over each other; of more, only the first does."""

ROUNDING = 1e-12
"""Relative deviation of a number that is the same in every run."""


@dataclass(frozen=True)
class Section:
    """A section of the page; `name` is its anchor."""

    name: str
    title: str
    # The kind of each part, as the template distinguishes them, and its content.
    parts: tuple[tuple[str, Any], ...]

    @property
    def views(self) -> Iterator[View]:
        """The charts."""
        for _, content in self.parts:
            if isinstance(content, list):
                yield from (one for one in content if isinstance(one, View))


def chart_sections(runs: Runs) -> list[Section]:
    """Returns the sections with charts that there is data for."""
    if not runs.factors or runs.frame.is_empty():
        return []
    found = [_outcomes(runs), _pairs(runs)]
    if estimated(runs.by(), runs.shares[0])["runs"].item():
        found += [_curves(runs), _side_by_side(runs)]
    return [section for section in (*found, _measured(runs)) if section is not None]


def _outcomes(runs: Runs) -> Section | None:
    """Lines of one factor, maps of two, small multiples of three."""
    shares, (x, *others) = tuple(runs.named(*OUTCOMES)), runs.leading
    pooled = len(runs.factors) > len(runs.leading)
    if not others:
        drawn = shares or (runs.shares[0],)
        text = (
            f"Each share against {x.words}{', all other factors pooled' if pooled else ''}, with "
            "95% intervals. A point leads to a run."
        )
        views = [View("shares", f"Shares against {x.words}", drawn, x)]
        return Section("happenings", "What happens", (("text", text), ("largest", views)))
    if not shares:
        return None
    y, *thirds = others
    maps = [View(f"map-{one.name}", f"The {title(one)}", (one,), x, y) for one in shares]
    if len(shares) > 1:
        largest = [View("what-happens", "What happens", shares, x, y)]
    else:
        largest, maps = maps, []
    panels = [
        View("what-happens-panels", "What happens, in panels", shares, x, y, panels=(z,))
        for z in thirds
    ]
    text = _outcomes_text(shares, x, y, panels, pooled)
    parts = (("text", text), ("largest", largest), ("maps", maps), ("paneled", panels))
    return Section("happenings", "What happens", parts)


def _outcomes_text(
    shares: Sequence[Quantity], x: Factor, y: Factor, panels: Sequence[View], pooled: bool
) -> str:
    text = f"For each combination of {x.words} and {y.words}, the "
    if len(shares) > 1:
        text += (
            f"largest of the measured shares ({', '.join(one.name for one in shares)}): the "
            "stronger the color, the larger the share; gray where none reaches one half. "
        )
    else:
        text += f"{title(shares[0])} ({words(shares[0])}). "
    text += (
        "A cross marks cells in which no run counts; where nothing was run there is no cell. A "
        "star marks cells in which fewer than 80% of the runs count."
    )
    if pooled or panels:
        text += " All other factors are pooled."
    for view in panels:
        hidden = ", ".join(view.unshown["panel"])
        omitted = f" (without {hidden})" if hidden else ""
        text += f" The small maps show each {view.panels[0].words}{omitted}."
    return text + " A cell leads to a run."


def _pairs(runs: Runs) -> Section | None:
    shares = runs.named(*OF_PAIRS)
    parts: list[tuple[str, Any]] = []
    for x, y in combinations(runs.factors, 2):
        if x.crosses(y):
            parts += [
                ("head", f"{x.words} and {y.words}"),
                ("maps", [_map(one, x, y) for one in shares]),
            ]
    text = (
        "Each pair of factors, all others pooled. A number in a cell is the share in percent. A "
        "cross marks cells without a run that interpolated: nothing is known there, which is not "
        "the same as a share of 0. A star marks cells in which fewer than 80% of the runs count."
    )
    return Section("pairs", "Pairs of factors", (("text", text), *parts)) if parts else None


def _curves(runs: Runs) -> Section | None:
    share = runs.shares[0]
    views = [
        replace(_curve(share, x, by), name=f"curve-{x.name}-by-{by.name}")
        for x, by in product(runs.factors, runs.factors)
        if len(by.labels) <= MAX_COLOURS and _comparable(x, by)
    ]
    text = (
        f"The {title(share)} ({words(share)}) against each factor that is a number, colored by "
        f"each other factor of at most {MAX_COLOURS} values; all others are pooled. Bands are 95% "
        f"intervals; with more than {MAX_BANDS} lines, hover over a point to see its interval. "
        "Runs without a number on the axis are left out."
    )
    return Section("curves", "Curves", (("text", text), ("curves", views))) if views else None


def _side_by_side(runs: Runs) -> Section | None:
    """Draws the leading share against the first numeric factor, in panels by the next ones."""
    x, *panels = runs.leading
    if not panels or not x.has_axis:
        return None
    share = runs.shares[0]
    view = View(
        "multiples",
        f"The {title(share)} against {x.words}, in panels",
        (share,),
        x,
        panels=tuple(panels),
    )
    pooled = ", all others pooled" if len(runs.factors) > len(runs.leading) else ""
    names = " and ".join(one.words for one in panels)
    text = (
        f"The {title(share)} against {x.words}, in panels by {names}{pooled}. An empty panel has "
        "no run that counts."
    )
    hidden = [
        f"{view.placed[channel].title} {label}"
        for channel, labels in view.unshown.items()
        for label in labels
    ]
    if hidden:
        text += f" Not shown: {', '.join(hidden)}."
    return Section("multiples", "Side by side", (("text", text), ("paneled", [view])))


def _measured(runs: Runs) -> Section | None:
    """Draws every other quantity against each factor and over pairs, up to `MAX_CHARTS`."""
    empty, same, varied = [], [], []
    for one in runs.quantities:
        if one.name not in DRAWN_ELSEWHERE:
            (row,) = estimated(runs.by(), one).to_dicts()
            kind = empty if not row["runs"] else same if _is_same(row, one) else varied
            kind.append(one)
    over = list(_over_factors(runs))
    pairs = [(x, y) for x, y in combinations(runs.factors[:MAX_LEADING], 2) if x.crosses(y)]
    room = max(1, MAX_CHARTS // max(1, len(over) + len(pairs)))
    parts: list[tuple[str, Any]] = [("text", _MEASURED)] if varied else []
    for one in varied[:room]:
        parts += [
            ("head", words(one)[:1].upper() + words(one)[1:]),
            ("curves", [_curve(one, x, by) for x, by in over]),
            ("maps", [_map(one, x, y) for x, y in pairs]),
        ]
    undrawn = [
        f"{reason} {joined([one.name for one in some])}"
        for reason, some in (
            ("for lack of space,", varied[room:]),
            ("the same in every run that counts,", same),
            ("in no run that counts,", empty),
        )
        if some
    ]
    if undrawn:
        parts.append(("undrawn", "; ".join(undrawn)))
    return Section("measured", "Measured numbers", tuple(parts)) if parts else None


_MEASURED = Markup(
    "Everything else that was measured; each run is one observation. For a share, the mean with "
    "Wilson's interval; for a number, the mean <i>m</i> with Student's, "
    "<i>m</i> ± <i>t s</i>/√<i>N</i> over <i>N</i> runs; one run has no interval. Numbers of "
    "starts, of fresh inputs and of held-out examples count every run that did not diverge; all "
    "others, your own functions and audits among them, only runs that interpolated; values that "
    "are not finite do not count. All other factors are pooled. Positive means over more than two "
    "decades are drawn on a log axis. An interval that goes far beyond all means, or below 0 on a "
    "log axis, is cut at the edge; hover over a point to see its ends."
)


def _is_same(row: dict[str, Any], quantity: Quantity) -> bool:
    if is_share(quantity):
        return row["rate"] in (0, 1)
    deviation = row[f"deviation:{quantity.name}"] or 0
    return deviation <= ROUNDING * abs(row["rate"] or 0)


def _over_factors(runs: Runs) -> Iterator[tuple[Factor, Factor | None]]:
    """Yields each factor with those that color it; with none where no other can."""
    for x in runs.factors:
        numeric = len(x.places) > 1
        found = [
            by
            for by in runs.factors
            if by is not x
            and len(by.labels) <= (MAX_COLOURS if numeric else MAX_BANDS)
            and (_comparable(x, by) if numeric else x.crosses(by))
        ]
        few = numeric and len(runs.factors) <= MAX_COLOURED
        yield from ((x, by) for by in (found if few else found[:1]) or [None])


def _comparable(x: Factor, by: Factor) -> bool:
    """Returns whether each line goes through numbers that differ only in what is on the axis."""
    if by.name in x.names:
        return len(x.places) > 1 and len(x.labels) > len(by.labels)
    return x is not by and x.has_axis and x.crosses(by)


def _curve(quantity: Quantity, x: Factor, by: Factor | None) -> View:
    name = f"{quantity.name}-over-{x.name}"
    described = f"{title(quantity).capitalize()} against {x.words}"
    if by is None:
        return View(name, described, (quantity,), x)
    # Numbers that belong to names, such as rates to optimizers, are comparable in a line of one.
    along = replace(x, names=()) if by.name in x.names else x
    described += f", colored by {by.title}"
    return View(f"{name}-by-{by.name}", described, (quantity,), along, by=by)


def _map(quantity: Quantity, x: Factor, y: Factor) -> View:
    described = f"{title(quantity).capitalize()} against {x.title} and {y.title}"
    return View(f"{quantity.name}-{x.name}-{y.name}", described, (quantity,), x, y)


def gaps(factors: Sequence[Factor], runs: Runs) -> list[str]:
    """Names the pairs that lack combinations, where a share pooled over one mixes in the other."""
    listed = [one for one in factors if not (one.sampled or one.ranges or one.names)]
    counts = [
        (runs.by(x, y).height, len(x.labels) * len(y.labels), f"{x.words} and {y.words}")
        for x, y in combinations(listed, 2)
        if x.crosses(y)
    ]
    return [f"{found:,} of {all_:,} of {pair}" for found, all_, pair in counts if found < all_]
