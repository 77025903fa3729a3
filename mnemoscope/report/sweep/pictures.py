"""A selection of the pictures that a sweep took, spread over its settings."""

import base64
import io
from typing import Any

import polars as pl
from PIL import Image

from mnemoscope.report.pictures import Picture, spread
from mnemoscope.report.sweep.runs import Runs, labelled

MAX_PICTURES = 24
"""Pictures on a page."""


def pictured_runs(runs: Runs) -> tuple[list[dict[str, Any]], int]:
    """Selects runs with a picture, at most `MAX_PICTURES`, from settings spread in their order.

    Returns:
        `key`, `seed`, `status`, the label of each column that varies under its name, and the
        `picture`, None if it is not a PNG; and the number of settings that have one.
    """
    names = [factor.key for factor in runs.columns]
    if "picture" not in runs.rows.collect_schema().names():
        return [], 0
    pictures = runs.rows.filter(pl.col("picture").is_not_null()).select("key", "picture")
    pictured = (
        runs.frame.join(pictures.select("key").collect(), on="key", how="semi")
        .sort(*names, "seed", "key")
        .unique(names or None, keep="first", maintain_order=True)
    )
    chosen = pictured[spread(pictured.height, MAX_PICTURES)]
    found = pictures.filter(pl.col("key").is_in(chosen["key"].to_list())).collect()
    images = {key: _picture(png) for key, png in found.iter_rows()}
    named = labelled(chosen, {factor.name: factor for factor in runs.columns})
    columns = ["key", "seed", "status", *(factor.name for factor in runs.columns)]
    rows = named.select(columns).to_dicts()
    return [{**row, "picture": images[row["key"]]} for row in rows], pictured.height


def _picture(png: bytes) -> Picture | None:
    """The PNG unchanged; None if it is not one."""
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            width, height = image.size
    except OSError:
        return None
    encoded = base64.b64encode(png).decode("ascii")
    return Picture(f"data:image/png;base64,{encoded}", width, height)
