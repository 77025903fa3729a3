"""Student's interval: what the numbers of some runs say about their mean."""

import polars as pl
from scipy import stats

LEVEL = 0.975
"""Of the quantile: both ends of the interval leave out 2.5%."""


def averaged(counts: pl.DataFrame, number: str) -> pl.DataFrame:
    """The counts with a number's mean as `rate`, its 95% interval from `low` to `high`, and `runs`.

    Each run is one observation. With `N` of them, their mean `m` and the sum `Q` of their squared
    distances to it, the interval is `m ± t √(Q / (N − 1) / N)`, where `t` is the 0.975 quantile of
    Student's distribution with `N − 1` degrees of freedom. It holds for normal numbers, and for
    others the better the more runs there are. One run has no interval: its ends are null.

    Args:
        counts: With `count:`, `mean:` and `square:` (`Q`) of the number.
        number: Its name.
    """
    runs = counts[f"count:{number}"].cast(pl.Float64)
    several = runs.clip(lower_bound=2)
    quantile = pl.Series(stats.t.ppf(LEVEL, several.to_numpy() - 1), dtype=pl.Float64)
    half = quantile * (counts[f"square:{number}"] / (several - 1) / several).sqrt()
    mean = counts[f"mean:{number}"]
    told = counts.with_columns(
        rate=_finite(mean),
        low=_finite(mean - half),
        high=_finite(mean + half),
        runs=pl.col(f"count:{number}"),
    )
    return told.with_columns(
        pl.when(pl.col("runs") > 1).then(end).alias(end) for end in ("low", "high")
    )


def _finite(values: pl.Series) -> pl.Series:
    return pl.select(pl.when(values.is_finite()).then(values)).to_series()
