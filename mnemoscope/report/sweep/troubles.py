"""Settings with runs that did not interpolate or diverged, the worst first."""

from dataclasses import dataclass

import polars as pl

from mnemoscope.report.sweep.marks import labelled
from mnemoscope.report.sweep.tables import SweepTables

MOST_SETTINGS = 200


@dataclass(frozen=True)
class Trouble:
    """A setting where not all went well.

    Attributes:
        setting: Its levels, in the order of the factors.
        runs: How many it has.
        not_interpolated: How many ended above the tolerance without diverging.
        diverged: How many diverged.
    """

    setting: tuple[str, ...]
    runs: int
    not_interpolated: int
    diverged: int


def troubles(tables: SweepTables) -> tuple[list[Trouble], int]:
    """At most `MOST_SETTINGS` settings with a run that did not interpolate, and how many there are.

    Args:
        tables: The counts of a sweep.
    """
    names = [factor.name for factor in tables.factors]
    lost = pl.col("count:not_interpolated")
    found = tables.settings.filter(lost > 0).sort(
        lost / pl.col("count:runs"), lost, *names, descending=[True, True, *[False] * len(names)]
    )
    worst = labelled(
        found.head(MOST_SETTINGS), {f"told:{factor.name}": factor for factor in tables.factors}
    )
    told = [
        Trouble(
            tuple(row[f"told:{name}"] for name in names),
            row["count:runs"],
            row["count:not_interpolated"] - row["count:diverged"],
            row["count:diverged"],
        )
        for row in worst.iter_rows(named=True)
    ]
    return told, found.height
