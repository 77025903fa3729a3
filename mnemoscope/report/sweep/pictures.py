"""A selection of the pictures that a sweep took, spread over its settings."""

import base64
import io
from typing import Any

import polars as pl
from PIL import Image

from mnemoscope.report.pictures import Picture, spread
from mnemoscope.report.sweep.runs import Runs, labelled
from mnemoscope.report.sweep.tables import STATUSES

MAX_PICTURES = 24
"""Pictures on a page."""


def pictured_runs(runs: Runs, column: str = "picture") -> tuple[pl.DataFrame, int]:
    """Selects runs with a picture, at most `MAX_PICTURES`, from settings spread in their order.

    Returns:
        `key, seed, status`, the label of each column that varies under its name, and the PNG as
        `picture`; and the number of settings that have one.
    """
    names = [factor.key for factor in runs.columns]
    if column not in runs.rows.collect_schema().names():
        return pl.DataFrame(schema={"picture": pl.Binary}), 0
    pictures = runs.rows.filter(pl.col(column).is_not_null())
    pictured = (
        runs.frame.join(pictures.select("key").collect(), on="key", how="semi")
        .sort(*names, "seed", "key")
        .unique(names or None, keep="first", maintain_order=True)
    )
    chosen = pictured[spread(pictured.height, MAX_PICTURES)]
    found = (
        pictures.filter(pl.col("key").is_in(chosen["key"].to_list()))
        .select("key", picture=column)
        .unique("key", keep="any")
        .collect()
    )
    named = labelled(chosen, {factor.name: factor for factor in runs.columns})
    listed = named.select(
        "key", "seed", "status", *(pl.col(factor.name) for factor in runs.columns)
    )
    return listed.join(found, on="key", how="left", maintain_order="left"), pictured.height


def shown_pictures(runs: Runs, chosen: pl.DataFrame) -> list[dict[str, Any]]:
    """Returns `picture`, `alt`, `setting` and `status` of each run whose picture is a PNG."""
    return [
        {
            "picture": picture,
            "alt": f"Picture of run {row['key']}",
            "setting": ", ".join(
                [
                    *(f"{factor.words} {row[factor.name]}" for factor in runs.columns),
                    f"seed {'–' if row['seed'] is None else row['seed']}",
                ]
            ),
            "status": STATUSES.get(row["status"] or "", row["status"] or ""),
        }
        for row in chosen.iter_rows(named=True)
        if (picture := _picture(row["picture"])) is not None
    ]


def _picture(png: bytes) -> Picture | None:
    """The PNG unchanged; None if it is not one."""
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            width, height = image.size
    except OSError:
        return None
    encoded = base64.b64encode(png).decode("ascii")
    return Picture(f"data:image/png;base64,{encoded}", width, height)
