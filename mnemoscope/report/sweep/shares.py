"""The shares that a sweep is told by: of examples stored, of starts, of runs."""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from mnemoscope.plots.theme import COLOURS

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
        adjective: What it is called before the word share, if not by its name.
    """

    name: str
    words: str
    colour: str
    value: pl.Expr
    adjective: str = ""

    @property
    def title(self) -> str:
        """The name of a chart's axis."""
        return f"{self.adjective or self.name} share"


def part(count: str, total: str, counts: pl.Expr) -> pl.Expr:
    """`count / total` of the runs that count; null where nothing was tried.

    Args:
        count: The column of what is counted.
        total: That of what it is counted of.
        counts: Whether a run counts.
    """
    tried = counts & (pl.col(total) > 0)
    share = pl.when(tried).then(pl.col(count).cast(pl.Float64) / pl.col(total))
    return share.fill_nan(None).clip(0, 1)


# Shares of training examples are told of interpolating networks alone: what was never fitted cannot
# be forgotten. The others are told of every network whose training did not diverge.
_SHARES: tuple[tuple[Share, tuple[str, ...]], ...] = (
    (
        Share("stored", "training examples that are stored, of runs that interpolated",
              COLOURS["stored"], part("stored", "n", INTERPOLATED)),
        ("stored", "n"),
    ),
    (
        Share("spurious", "noise starts that end at a spurious attractor",
              COLOURS["spurious"], part("spurious", "starts", ~DIVERGED)),
        ("spurious", "starts"),
    ),
    (
        Share("generalizes", "held-out examples that are reconstructed",
              "#53a8a3", part("generalized", "held_out", ~DIVERGED), "generalized"),
        ("generalized", "held_out"),
    ),
    (
        Share("contractive", "training examples with a spectral radius below 1, of runs that "
              "interpolated", COLOURS["cycle"], part("contractive", "n", INTERPOLATED)),
        ("contractive", "n"),
    ),
    (
        Share("recalled", "noisy copies of training examples that are recalled, of runs that "
              "interpolated", "#2a6f73", part("recalled", "trials", INTERPOLATED)),
        ("recalled", "trials"),
    ),
    (
        Share("interpolated", "runs that interpolated", COLOURS["not_stored"],
              INTERPOLATED.cast(pl.Float64)),
        ("status",),
    ),
)  # fmt: skip

_RARE: tuple[tuple[Share, tuple[str, ...]], ...] = (
    (
        Share("contractive_in_norm", "training examples with an operator norm below 1, of runs "
              "that interpolated", COLOURS["cycle"],
              part("contractive_in_norm", "n", INTERPOLATED), "contractive in norm"),
        ("contractive_in_norm", "n"),
    ),
    (
        Share("at_examples", "noise starts that end at a training example",
              COLOURS["stored"], part("at_examples", "starts", ~DIVERGED), "at examples"),
        ("at_examples", "starts"),
    ),
    (
        Share("not_settled", "noise starts that did not settle",
              COLOURS["unsettled"], part("not_settled", "starts", ~DIVERGED), "not settled"),
        ("not_settled", "starts"),
    ),
    (
        Share("examples_reached", "training examples that a noise start ends at, of runs that "
              "interpolated", COLOURS["stored"],
              part("examples_reached", "n", INTERPOLATED), "examples reached"),
        ("examples_reached", "n"),
    ),
)  # fmt: skip

COUNTED = frozenset(name for _, needs in (*_SHARES, *_RARE) for name in needs)
"""The columns that shares are made of."""

HAPPENINGS = ("stored", "spurious", "generalizes")
"""The shares of the map of what happens, in the order in which a tie is told."""


def measured_shares(columns: Collection[str]) -> dict[str, Share]:
    """The shares that a table with these columns can tell, by name."""
    return {share.name: share for share, needs in _SHARES if set(needs) <= set(columns)}


def rare_shares(columns: Collection[str]) -> dict[str, Share]:
    """The shares that are no headline and that a table with these columns can tell, by name."""
    return {share.name: share for share, needs in _RARE if set(needs) <= set(columns)}


def leading_share(shares: dict[str, Share]) -> Share:
    """The share that curves are drawn of: that of stored examples, or else the first measured."""
    return next(iter(shares.values()))
