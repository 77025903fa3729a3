"""The rows of examples: what was stored, shown."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from mnemoscope.base.stats import Estimate, Rate
from mnemoscope.base.text import finite
from mnemoscope.report.frames import Frame, orbit_frames
from mnemoscope.report.pictures import Drawing, Picture, picture
from mnemoscope.results.audit import Audit

MOST_ROWS = 100


@dataclass(frozen=True)
class ExampleRow:
    """A training example as the page shows it.

    Attributes:
        index: Its place among the training examples.
        stored: Whether it is stored; None if not known.
        recalled: Whether the orbit shown was recalled; None if not known.
        spectral_radius: At the example.
        recall: Its recall rate.
        basin: The share of starts that end at its attractor.
        certified: The radius that is proved of its attractor; None if nothing is.
        picture: The example.
        frames: An orbit from its corruption.
    """

    index: int
    stored: bool | None
    recalled: bool | None
    spectral_radius: float | None
    recall: Rate | None
    basin: Rate | Estimate | None
    certified: float | None
    picture: Picture | None
    frames: list[Frame]


def strongest_first(examples: pl.DataFrame) -> pl.DataFrame:
    """Stored ones first, then by recall rate (highest first), then by spectral radius (lowest)."""
    return (
        examples.with_columns(
            pl.col("stored").fill_null(False).alias("_stored"),
            pl.col("recall_rate").fill_nan(None).alias("_recall"),
            pl.col("spectral_radius").fill_nan(None).alias("_radius"),
        )
        .sort(
            "_stored",
            "_recall",
            "_radius",
            "index",
            descending=[True, True, False, False],
            nulls_last=True,
        )
        .drop("_stored", "_recall", "_radius")
    )


def example_rows(audit: Audit, how: Drawing, most: int = MOST_ROWS) -> list[ExampleRow]:
    """The rows of the page, at most `most`."""
    pictures, orbits = audit.pictures.get("examples"), audit.pictures.get("recall_frames")
    shown = audit.summary.recall_frames
    steps = shown.steps if shown else ()
    trials = _recall_rates(audit)
    basins = {row["id"]: row for row in audit.attractors.iter_rows(named=True)}
    total_starts = pooled_starts(audit.attractors)
    rows = []
    for row in strongest_first(audit.examples).head(most).iter_rows(named=True):
        index = row["index"]
        rows.append(
            ExampleRow(
                index=index,
                stored=row["stored"],
                recalled=shown.recalled[index] if shown and index < len(shown.recalled) else None,
                spectral_radius=row["spectral_radius"],
                recall=trials.get(index),
                basin=_basin(row, basins, total_starts),
                certified=row.get("certified_radius"),
                picture=(
                    picture(pictures[index], how)
                    if pictures is not None and index < len(pictures)
                    else None
                ),
                frames=(
                    orbit_frames(orbits[index], steps, how)
                    if orbits is not None and index < len(orbits)
                    else []
                ),
            )
        )
    return rows


def pooled_starts(attractors: pl.DataFrame) -> int | None:
    """How many starts the basin fractions are shares of; None if no start reached any."""
    reached = attractors.filter(pl.col("starts") > 0, pl.col("basin_fraction").is_finite())
    if not reached.height:
        return None
    largest = reached.sort("starts", descending=True).row(0, named=True)
    return round(largest["starts"] / largest["basin_fraction"])


def basin_rate(row: dict[str, Any], total: int | None) -> Rate | Estimate | None:
    """The basin fraction of a row of `Audit.attractors`, with its count and total."""
    value = finite(row["basin_fraction"])
    if value is None:
        return None
    if total:
        return Rate.of(row["starts"], total)
    return Estimate(value, row["basin_low"], row["basin_high"])


def _basin(
    row: dict[str, Any], attractors: dict[int, dict[str, Any]], total: int | None
) -> Rate | Estimate | None:
    value = finite(row["basin_fraction"])
    if value is None:
        return None
    attractor = attractors.get(row["attractor"])
    if attractor is not None and attractor["basin_fraction"] == value:
        return basin_rate(attractor, total)
    return Rate.of(round(value * total), total) if total else Estimate(value)


def _recall_rates(audit: Audit) -> dict[int, Rate]:
    """The recall rate of each example at the corruption that the summary has it for."""
    recalled = audit.summary.recalled
    if recalled is None:
        return {}
    chosen = audit.recall.filter(
        pl.col("corruption") == recalled.corruption,
        (pl.col("strength") - recalled.strength).abs() < 1e-9,
    )
    return {
        row["example"]: Rate.of(row["recalled"], row["trials"])
        for row in chosen.iter_rows(named=True)
    }
