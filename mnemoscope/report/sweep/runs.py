"""Runs that stand for a setting: the ones that the points of charts lead to."""

import polars as pl

from mnemoscope.report.sweep.tables import SweepTables, rated

MOST_RUNS = 500
"""Settings that the page lists a run of."""


def representatives(tables: SweepTables) -> pl.DataFrame:
    """A run for each setting: that with the median stored share, of equals that of the lowest seed.

    Of a setting where none interpolated, the run of the lowest seed. If there are more than
    `MOST_RUNS` settings, those are taken whose least key comes first: a choice as good as random,
    and always the same.

    Args:
        tables: The counts of a sweep.

    Returns:
        `key`, `share` (stored; null if not known), and the level of each factor, in order.
    """
    names = [factor.name for factor in tables.factors]
    chosen = tables.settings.sort("first_key").head(MOST_RUNS).select("all", *names)
    share = pl.col("share:stored") if "stored" in tables.shares else pl.lit(None, pl.Float64)
    runs = (
        tables.leveled()
        .with_columns(share=share, all=pl.lit(0))
        .join(chosen.lazy(), on=["all", *names], how="semi")
    )
    typical = runs.group_by("all", *names).agg(typical=pl.col("share").quantile(0.5, "lower"))
    return (
        runs.join(typical, on=["all", *names])
        .filter(pl.col("share").eq_missing(pl.col("typical")))
        .sort("all", *names, "run:seed", "run:key")
        .unique(["all", *names], keep="first", maintain_order=True)
        .select(*names, "share", key="run:key")
        .collect()
    )


def with_links(
    pools: dict[tuple[str, ...], pl.DataFrame], runs: pl.DataFrame
) -> dict[tuple[str, ...], pl.DataFrame]:
    """Each pool with `href`: to the run, of those listed, that is nearest to its stored share.

    Args:
        pools: As in `SweepTables`.
        runs: As `representatives` gives them.

    Returns:
        The pools; `href` is null where no run is listed.
    """
    return {names: _linked(pool, list(names), runs) for names, pool in pools.items()}


def _linked(pool: pl.DataFrame, names: list[str], runs: pl.DataFrame) -> pl.DataFrame:
    rates = (
        rated(pool, "stored").select(*names, "rate")
        if "sum:stored" in pool.columns
        else pool.select(*names, pl.lit(None, pl.Float64).alias("rate"))
    )
    nearest = (
        runs.lazy()
        .join(rates.lazy(), on=names)
        .with_columns(away=(pl.col("share") - pl.col("rate")).abs())
        .sort("away", "key", nulls_last=True)
        .unique(names, keep="first", maintain_order=True)
        .select(*names, href="#run-" + pl.col("key"))
    )
    return pool.lazy().join(nearest, on=names, how="left", maintain_order="left").collect()


def run_details(tables: SweepTables, runs: pl.DataFrame) -> pl.DataFrame:
    """What the table knows of runs, in their order.

    Args:
        tables: The counts of a sweep.
        runs: With `key`.

    Returns:
        `key`, `seed`, `status`, and of `loss`, `steps`, `stored`, `n` and the factors' own values
        what there is.
    """
    columns = tables.rows.collect_schema().names()
    wanted = ["key", "seed", "status", "loss", "steps", "stored", "n"]
    wanted += [factor.name for factor in tables.factors]
    known = [name for name in dict.fromkeys(wanted) if name in columns]
    found = (
        tables.rows.filter(pl.col("key").is_in(runs["key"].to_list()))
        .select(known)
        .unique("key", keep="any")
        .collect()
    )
    return runs.select("key").join(found, on="key", how="left", maintain_order="left")
