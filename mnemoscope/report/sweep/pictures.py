"""A pick of the pictures that a sweep took, spread over its settings."""

import base64
import io
from dataclasses import dataclass

import polars as pl
from PIL import Image

from mnemoscope.report.pictures import Picture, spread
from mnemoscope.report.sweep.marks import labelled
from mnemoscope.report.sweep.tables import SweepTables

MOST_PICTURES = 24


@dataclass(frozen=True)
class PickedRun:
    """A run with its picture.

    Attributes:
        key: Of the run.
        seed: Of the run.
        status: Of the run.
        setting: Its levels by the names of the factors, as text.
        picture: What was drawn of it.
    """

    key: str
    seed: int | None
    status: str
    setting: dict[str, str]
    picture: Picture


@dataclass(frozen=True)
class Pick:
    """Some of the pictures of a sweep.

    Attributes:
        runs: In the order of their settings.
        settings: How many settings have a picture.
        unreadable: How many of those picked are not a PNG.
    """

    runs: tuple[PickedRun, ...] = ()
    settings: int = 0
    unreadable: int = 0


def picked_runs(tables: SweepTables) -> Pick:
    """At most `MOST_PICTURES` runs with a picture, from settings evenly spread in their order.

    Args:
        tables: The counts of a sweep.
    """
    if "picture" not in tables.rows.collect_schema().names():
        return Pick()
    names = [factor.name for factor in tables.factors]
    levels = [factor.level.alias(factor.name) for factor in tables.factors]
    pictured = (
        tables.rows.filter(pl.col("picture").is_not_null())
        .select(*levels, *(pl.col(name).alias(f"run:{name}") for name in ("key", "seed", "status")))
        .sort(*names, "run:seed", "run:key")
        .unique(names or None, keep="first", maintain_order=True)
        .collect()
    )
    chosen = pictured[spread(pictured.height, MOST_PICTURES)]
    drawn = (
        tables.rows.filter(pl.col("key").is_in(chosen["run:key"].to_list()))
        .select("key", "picture")
        .filter(pl.col("picture").is_not_null())
        .collect()
    )
    pictures = {key: _picture(png) for key, png in drawn.iter_rows()}
    told = labelled(chosen, {f"told:{factor.name}": factor for factor in tables.factors})
    runs = tuple(
        PickedRun(
            row["run:key"],
            row["run:seed"],
            row["run:status"] or "",
            {factor.title: row[f"told:{factor.name}"] for factor in tables.factors},
            picture,
        )
        for row in told.iter_rows(named=True)
        if (picture := pictures[row["run:key"]]) is not None
    )
    return Pick(runs, pictured.height, chosen.height - len(runs))


def _picture(png: bytes) -> Picture | None:
    """The PNG as it stands; None if it is not one."""
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            width, height = image.size
    except OSError:
        return None
    encoded = base64.b64encode(png).decode("ascii")
    return Picture(f"data:image/png;base64,{encoded}", width, height)
