"""The shares that a sweep is told by: of examples stored, of starts, of runs."""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from mnemoscope.report.charts.theme import COLOURS

INTERPOLATED = pl.col("status") == "interpolated"
DIVERGED = pl.col("status") == "diverged"


@dataclass(frozen=True)
class Share:
    """A number in [0, 1] that each run has, or null where the run does not count.

    Attributes:
        name: What it is known by.
        words: What it is a share of.
        colour: What it is drawn in.
        value: Of a run, from the columns of the table.
    """

    name: str
    words: str
    colour: str
    value: pl.Expr

    @property
    def title(self) -> str:
        """The name of a chart's axis."""
        return f"{self.name} share"


def _part(count: str, total: str, counts: pl.Expr) -> pl.Expr:
    """`count / total` of the runs that count; null where nothing was tried."""
    tried = counts & (pl.col(total) > 0)
    part = pl.when(tried).then(pl.col(count).cast(pl.Float64) / pl.col(total))
    return part.fill_nan(None).clip(0, 1)


# Shares of training examples are told of interpolating networks alone: what was never fitted cannot
# be forgotten. The others are told of every network whose training did not diverge.
_SHARES: tuple[tuple[Share, tuple[str, ...]], ...] = (
    (
        Share("stored", "training examples that are stored, of runs that interpolated",
              COLOURS["stored"], _part("stored", "n", INTERPOLATED)),
        ("stored", "n"),
    ),
    (
        Share("spurious", "noise starts that end at a spurious attractor",
              COLOURS["spurious"], _part("spurious", "starts", ~DIVERGED)),
        ("spurious", "starts"),
    ),
    (
        Share("generalizes", "held-out examples that are reconstructed",
              "#53a8a3", _part("generalized", "held_out", ~DIVERGED)),
        ("generalized", "held_out"),
    ),
    (
        Share("contractive", "training examples with a spectral radius below 1, of runs that "
              "interpolated", COLOURS["cycle"], _part("contractive", "n", INTERPOLATED)),
        ("contractive", "n"),
    ),
    (
        Share("interpolated", "runs that interpolated", COLOURS["not_stored"],
              INTERPOLATED.cast(pl.Float64)),
        ("status",),
    ),
)  # fmt: skip

HAPPENINGS = ("stored", "spurious", "generalizes")
"""The shares of the map of what happens, in the order in which a tie is told."""


def measured_shares(columns: Collection[str]) -> dict[str, Share]:
    """The shares that a table with these columns can tell, by name."""
    return {share.name: share for share, needs in _SHARES if set(needs) <= set(columns)}


def leading_share(shares: dict[str, Share]) -> Share:
    """The share that curves are drawn of: that of stored examples, or else the first measured."""
    return next(iter(shares.values()))
