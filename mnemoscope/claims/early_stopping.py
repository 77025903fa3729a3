"""Memorization is robust to early stopping: what will be stored is decided long before the end.

Networks are trained from the same first weights to one loss after another, from 1e-2 to 1e-10. A
training is deterministic, so that each of these is the same path, stopped at another place. For
each example the loss is found from which on it is contractive at all that follow. A network that
was stopped early does not interpolate; that is what is measured here, so a run counts if it came to
the loss where it was to stop, and checks compare networks at a loss with the same networks at the
end, where they interpolate.
"""

from collections.abc import Iterator

import polars as pl

from mnemoscope.claims import (
    Check,
    Claim,
    Counted,
    Regime,
    Row,
    Scale,
    Setting,
    Trained,
    at_least,
    rates_figure,
    share,
)
from mnemoscope.data import load_data
from mnemoscope.measure.replicas import stored_by_replica
from mnemoscope.nets import FullyConnected
from mnemoscope.plots import Axis, Figure
from mnemoscope.training import replica_spectral_radius

LOSSES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
"""The losses at which training is stopped."""

INTERPOLATED = 1e-8
"""The end to which earlier losses are compared."""

EARLY = 1e-4
"""The earliest loss that is checked: the residual is 1e-2 (RMS) there, the distance at
which an attractor still matches its example. At larger losses it could not."""

MOST_STEPS = 20_000

ALIKE = 0.95
"""Share of examples that are contractive at the end and must be so at an early loss."""

COLUMNS: dict[str, pl.DataType] = {
    "contractive": pl.Int64(),
    "stored": pl.Int64(),
    "radii": pl.List(pl.Float64()),
    "kept": pl.List(pl.Boolean()),
}


def design(scale: Scale) -> Iterator[Setting]:
    """Yields networks of 8 layers on digits, stopped at each loss; and narrower ones as reach."""
    regime = scale.choose([(5, 32, 4)], [(20, 256, 8)], [(20, 256, 8), (50, 256, 8)])
    beyond = scale.choose([], [(20, 64, 8), (20, 256, 4)], [(20, 64, 8), (20, 256, 4)])
    losses = scale.choose(LOSSES[1:7], LOSSES[:7:2], LOSSES)
    for (n, width, depth), inside in [
        *((size, True) for size in regime),
        *((size, False) for size in beyond),
    ]:
        X = load_data("digits", n=n)
        for loss in losses:
            yield Setting(
                FullyConnected(shape=X.shape[1:], width=width, depth=depth),
                X,
                scale.range(2, 5, 8),
                training={"tol": loss, "batch_size": n // 5, "max_steps": MOST_STEPS},
                measure=(contraction,),
                in_regime=inside,
            )


def contraction(trained: Trained) -> Iterator[Row]:
    """Measures which examples contract, and which are stored."""
    radii = replica_spectral_radius(trained.replicas, trained.X).cpu()
    stored = stored_by_replica(trained.replicas, trained.X).cpu()
    for radius, kept, fit in zip(radii, stored, trained.replicas.fits, strict=True):
        if not fit.converged:
            yield {}
            continue
        yield {
            "contractive": int((radius < 1).sum()),
            "stored": int(kept.sum()),
            "radii": radius.tolist(),
            "kept": kept.tolist(),
        }


BY = ("width", "depth", "n", "seed")
"""What tells one path of training from the others."""


def compared(runs: pl.DataFrame) -> pl.DataFrame:
    """Builds a row for each example and loss, with the same example at the end.

    Columns: those of `BY`, `tol`, `example`, `contracts`, `stored`, `contracts_at_end`,
    `stored_at_end`.
    """
    each = (
        runs.filter("interpolated")
        .select(*BY, "tol", "radii", "kept", example=pl.int_ranges(pl.col("n")))
        .explode("radii", "kept", "example")
        .select(*BY, "tol", "example", contracts=pl.col("radii") < 1, stored=pl.col("kept"))
    )
    end = each.filter(pl.col("tol") == INTERPOLATED).select(
        *BY, "example", contracts_at_end="contracts", stored_at_end="stored"
    )
    return each.join(end, on=[*BY, "example"], how="left", maintain_order="left")


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares what contracts and what is stored at a loss with the same at the end."""
    each = compared(runs)
    for loss in runs["tol"].unique(maintain_order=True):
        if not INTERPOLATED < loss <= EARLY:
            continue
        at = each.filter(pl.col("tol") == loss)
        networks = at.select(*BY).n_unique()
        contracts, stored = (at.filter(f"{name}_at_end") for name in ("contracts", "stored"))
        yield at_least(
            f"share of examples contractive at the end that are so at a loss of {loss:g}",
            bound=1.0,
            measured=share(contracts, "contracts"),
            runs=networks if contracts.height else 0,
            tolerance=1 - ALIKE,
        )
        yield at_least(
            f"share of examples stored at the end that are stored at a loss of {loss:g}",
            bound=1.0,
            measured=share(stored, "stored"),
            runs=networks if stored.height else 0,
            tolerance=1 - ALIKE,
        )


def settled_at(runs: pl.DataFrame) -> pl.DataFrame:
    """Finds for each example the largest loss from which on it is contractive at all that follow.

    Null: it is not contractive at the last loss.
    """
    by = [*BY, "example"]
    since = pl.col("contracts").cast(pl.Int8).cum_min() == 1
    return (
        compared(runs)
        .sort("tol")
        .group_by(by, maintain_order=True)
        .agg(settled=pl.col("tol").filter(since).max())
    )


def note(runs: pl.DataFrame) -> str:
    """States the loss at which examples become contractive for good."""
    parts = []
    for (n, width, depth), own in runs.group_by("n", "width", "depth", maintain_order=True):
        settled = settled_at(own)["settled"]
        known = settled.drop_nulls()
        if not len(settled):
            continue
        median = f"median {known.median():.0e}" if len(known) else "none"
        parts.append(
            f"{n} digits, {width} x {depth}: contractive for good from a loss of {median} on; "
            f"{len(settled) - len(known)} of {len(settled)} examples are not contractive at the "
            "last loss"
        )
    return "; ".join(parts) + "." if parts else ""


def reach(runs: pl.DataFrame) -> str:
    """States the same shares outside the regime."""
    beyond = compared(runs.filter(~pl.col("in_regime")))
    parts = []
    at = beyond.filter(pl.col("tol") == EARLY, "contracts_at_end")
    for (width, depth), own in at.group_by("width", "depth", maintain_order=True):
        parts.append(
            f"width {width}, {depth} layers: {share(own, 'contracts'):.0%} of those contractive at "
            f"the end are so at a loss of {EARLY:g}"
        )
    return "; ".join(parts) + "." if parts else ""


KINDS = {
    "contractive": Counted("contractive", "n", "stored"),
    "stored": Counted("stored", "n"),
}


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the shares of contractive and of stored examples against the loss."""
    counted = runs.filter("interpolated").with_columns(
        network=pl.format("{} digits, {} x {}", "n", "width", "depth")
    )
    x = Axis("tol", "training loss", "log", format=".0e")
    return (
        rates_figure(counted, KINDS, x, "examples", {"facet": "network"}, width=220, height=160),
    )


CLAIM = Claim(
    number=14,
    name="early-stopping",
    statement=(
        "Memorization is robust to early stopping: examples that a network stores when it "
        "interpolates are contractive, and stored, long before."
    ),
    source="arXiv 1810.10333",
    tolerance=(
        "0.05 below 1 for the share of examples that are contractive, or stored, at the end: the "
        "source claims robustness and states no rate, and a claim does not hold as a rule if it "
        "fails in more than one of twenty cases. Losses of 1e-4 and below: at 1e-4 the residual is "
        "1e-2, the distance within which an attractor matches its example."
    ),
    regime=Regime(
        words=(
            "20 digits (with `long` 50 as well), width 256 (4 times the pixels), 8 layers, "
            "leaky_relu: 424,000 parameters for at most 3,200 numbers; Adam 1e-3 in batches of "
            "n / 5, PyTorch's first weights"
        ),
        source="the paper's deep fully connected networks; PyTorch's defaults",
    ),
    design=design,
    columns=COLUMNS,
    rates={"share": ("contractive", "n"), "stored_share": ("stored", "n")},
    checks=checks,
    note=note,
    reach=reach,
    figures=figures,
    seconds=60,
)
