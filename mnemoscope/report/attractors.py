"""The cards of attractors: everything the map settles on."""

from dataclasses import dataclass

import polars as pl

from mnemoscope.base.stats import Estimate, Rate
from mnemoscope.report.examples import basin_rate, pooled_starts
from mnemoscope.report.pictures import Drawing, Picture, picture
from mnemoscope.results.audit import Audit

MOST_CARDS = 120


@dataclass(frozen=True)
class AttractorCard:
    """An attractor as the page shows it.

    Attributes:
        id: Its id in the tables.
        kind: `stored`, `spurious` or `cycle`: its colour.
        spurious: Whether it matches no training example.
        period: 1 for a fixed point.
        spectral_radius: At the attractor.
        basin: The share of starts that end there.
        nearest_example: Index of the nearest training example; None if there is none.
        distance: To that example (RMS).
        picture: The attractor.
    """

    id: int
    kind: str
    spurious: bool
    period: int | None
    spectral_radius: float | None
    basin: Rate | Estimate | None
    nearest_example: int | None
    distance: float | None
    picture: Picture | None


def attractor_cards(audit: Audit, how: Drawing, most: int = MOST_CARDS) -> list[AttractorCard]:
    """The cards of the page, largest basins first, at most `most`."""
    pictures = audit.pictures.get("attractors")
    table = audit.attractors.with_columns(pl.col("basin_fraction").fill_nan(None))
    largest = table.sort("basin_fraction", "id", descending=[True, False], nulls_last=True)
    total = pooled_starts(audit.attractors)
    cards = []
    for row in largest.head(most).iter_rows(named=True):
        number, nearest = row["id"], row["nearest_example"]
        spurious = bool(row["spurious"])
        cards.append(
            AttractorCard(
                id=number,
                kind="cycle" if row["kind"] == "cycle" else "spurious" if spurious else "stored",
                spurious=spurious,
                period=row["period"],
                spectral_radius=row["spectral_radius"],
                basin=basin_rate(row, total),
                nearest_example=nearest if nearest is not None and nearest >= 0 else None,
                distance=row["distance"],
                picture=(
                    picture(pictures[number], how)
                    if pictures is not None and number < len(pictures)
                    else None
                ),
            )
        )
    return cards


def attractor_counts(attractors: pl.DataFrame) -> str:
    """How many there are of each kind, in words."""
    spurious = attractors.filter(pl.col("spurious"))
    cycles = spurious.filter(pl.col("kind") == "cycle").height
    fixed = spurious.height - cycles
    parts = [
        f"{attractors.height - spurious.height} at training examples",
        f"{fixed} spurious fixed point{'' if fixed == 1 else 's'}",
        f"{cycles} spurious limit cycle{'' if cycles == 1 else 's'}",
    ]
    return f"{attractors.height} found: " + ", ".join(parts)
