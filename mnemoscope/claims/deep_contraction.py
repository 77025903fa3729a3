"""Deep networks that interpolate are contractive at their training examples.

`f` is locally contractive at `x_i` if the spectral radius `rho` of its Jacobian there is below 1:
in some norm `f` then brings all states near `x_i` nearer to each other. If also `f(x_i) = x_i`,
orbits from all around end at `x_i` (Ostrowski's theorem; J. M. Ortega & W. C. Rheinboldt,
*Iterative Solution of Nonlinear Equations in Several Variables*, 1970, 10.1.3).

Training leaves a residual `r` of 1e-4 (RMS, at the loss of 1e-8). The fixed point is then
`(1 - J)^-1 r` away: for `rho <= 0.9` by 1e-3 or, as `J` is not normal, by a few times that; so it
lies within 1e-2 of the example, as a stored one does.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product

import polars as pl
import torch
from torch import Tensor

from mnemoscope.claims import (
    Check,
    Claim,
    Counted,
    Row,
    Scale,
    Setting,
    Trained,
    each_network,
    each_value,
    listed,
    nearly_all,
    nearly_none,
    rates_figure,
)
from mnemoscope.data import corrupt, load_data
from mnemoscope.dynamics import Starts, find_attractors
from mnemoscope.dynamics.outcomes import count_outcomes, reached_own
from mnemoscope.dynamics.starts import Range
from mnemoscope.measure.replicas import stored_by_replica
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.nets.activations import ACTIVATIONS
from mnemoscope.plots import Axis, Figure
from mnemoscope.training import replica_spectral_radius

CERTAIN = 0.02
"""Tolerance where theory leaves only the residual and the nonlinear remainder."""

WELL_BELOW, WELL_ABOVE = 0.9, 1.1
"""Spectral radii that the residual of training cannot bring to the other side of 1."""

SIX = ("leaky_relu", "relu", "selu", "tanh", "sigmoid", "silu")
ALL = tuple(name for name in ACTIVATIONS if name != "identity")
"""A linear network cannot attract: its fixed points fill the affine span of the examples."""

LR = 1e-3
LR_OF_ONE_LAYER = 1e-2
"""One layer, whose loss is nearly a quadratic, bears a higher rate and needs it."""

NOISY = ("leaky_relu", "tanh", "silu")
FEWER = 10
"""The deepest and widest networks are trained in small batches as well, to show what the noise of
the gradient does; by default with these activations and at most this many seeds."""

FOLLOWED = 5
"""For each setting this many networks that store all examples are iterated from other starts."""

CORRUPTIONS = (("gaussian", 0.1), ("mask_pixels", 0.25))
NOISE = ("uniform", "gaussian")
TRIALS = 10
"""Corrupted copies of each example, of each kind; and `TRIALS * n` starts of each noise."""

COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(
        (
            "contractive",
            "stored",
            "well_below",
            "well_below_stored",
            "well_above",
            "well_above_stored",
            "corrupted",
            "corrupted_to_own",
            "corrupted_to_examples",
            "noise",
            "noise_to_examples",
            "noise_to_spurious",
            "noise_not_settled",
            "examples_reached_from_noise",
        ),
        pl.Int64(),
    ),
    "width": pl.Int64(),
    "median_radius": pl.Float64(),
    "largest_radius": pl.Float64(),
}
"""Measurements of networks that interpolate; orbits only of those that are followed."""


def design(scale: Scale) -> Iterator[Setting]:
    """Yields activations × depths × widths, many seeds each, on digits."""
    X = 0.1 + 0.8 * load_data("digits", n=scale.choose(5, 10, 10))
    activations = scale.choose(("leaky_relu", "sigmoid"), SIX, ALL)
    depths = scale.choose((1, 4), (1, 2, 4, 8), tuple(range(1, 13)))
    widths = scale.choose((32,), (32, 64), (32, 64, 128, 256))
    seeds = scale.range(3, 20, 20)
    # Eight layers of sigmoid need more than there is time for by default.
    most = scale.choose(5_000, 5_000, 100_000)
    noisy = scale.choose((), NOISY, ALL)
    full, small = len(X), len(X) // 5
    for depth, activation, width in product(depths, activations, widths):
        deep = depth > 1
        if not deep and width != widths[0]:
            continue  # A single layer has no hidden units, so there is only one width.
        largest = depth == max(depths) and width == widths[-1]
        for batch_size in (full, small) if largest and activation in noisy else (full,):
            yield Setting(
                FullyConnected(shape=X.shape[1:], depth=depth, width=width, activation=activation),
                X,
                seeds if batch_size == full else seeds[:FEWER],
                levels={} if deep else {"width": None},
                training={
                    "lr": LR if deep else LR_OF_ONE_LAYER,
                    "batch_size": batch_size,
                    "max_steps": most,
                },
                measure=(partial(contraction, follow=deep),),
            )


def contraction(trained: Trained, *, follow: bool) -> Iterator[Row]:
    """Measures contraction at the examples, storage, and where orbits from elsewhere end."""
    radii = replica_spectral_radius(trained.replicas, trained.X).cpu()
    stored, followed = stored_by_replica(trained.replicas, trained.X), 0
    for (net, X, seed, converged), radius, kept in zip(
        each_network(trained), radii, stored, strict=True
    ):
        if not converged:
            yield {}
            continue
        below, above = radius <= WELL_BELOW, radius >= WELL_ABOVE
        row: Row = {
            "contractive": int((radius < 1).sum()),
            "stored": int(kept.sum()),
            "median_radius": float(radius.median()),
            "largest_radius": float(radius.max()),
            "well_below": int(below.sum()),
            "well_below_stored": int((below & kept).sum()),
            "well_above": int(above.sum()),
            "well_above_stored": int((above & kept).sum()),
        }
        if follow and bool(kept.all()) and followed < FOLLOWED:
            followed += 1
            row |= _ends(net, X, seed)
        yield row


def _ends(net: Network, X: Tensor, seed: int) -> Row:
    """Counts where orbits from corrupted examples and from noise end."""
    corrupted = torch.cat(
        [corrupt(X, *kind, seed=seed, trials=TRIALS).flatten(0, 1) for kind in CORRUPTIONS]
    )
    own = torch.arange(len(X), device=X.device).repeat(len(corrupted) // len(X))
    noise = [
        block
        for kind in NOISE
        for block in Starts(kind, TRIALS * len(X), Range.of(X), seed).blocks(
            tuple(X.shape[1:]), dtype=X.dtype, device=X.device
        )
    ]
    census = find_attractors(net, torch.cat([corrupted, *noise]), X)
    first, others = slice(len(corrupted)), slice(len(corrupted), None)
    from_corrupted, from_noise = count_outcomes(census, first), count_outcomes(census, others)
    return {
        "corrupted": from_corrupted.starts,
        "corrupted_to_own": int(reached_own(census, own, X, first).sum()),
        "corrupted_to_examples": from_corrupted.at_examples,
        "noise": from_noise.starts,
        "noise_to_examples": from_noise.at_examples,
        "noise_to_spurious": from_noise.spurious,
        "noise_not_settled": from_noise.not_settled,
        "examples_reached_from_noise": from_noise.examples_reached,
    }


FULL = pl.col("batch_size") == pl.col("n")
DEEP = pl.col("depth") > 1


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares contraction by depth, storage by spectral radius, and ends of orbits with theory."""
    full = runs.filter(FULL, DEEP)
    for depth, those in each_value(full, "depth"):
        what = f"share of contractive examples, depth {depth}"
        yield nearly_all(what, those, "contractive", "n")
    counted = full.filter("interpolated")
    below, above = (counted.filter(pl.col(name) > 0) for name in ("well_below", "well_above"))
    what = "share stored of examples with spectral radius"
    yield nearly_all(
        f"{what} <= {WELL_BELOW}", below, "well_below_stored", "well_below", tolerance=CERTAIN
    )
    yield nearly_none(
        f"{what} >= {WELL_ABOVE}", above, "well_above_stored", "well_above", tolerance=CERTAIN
    )
    followed = counted.filter(pl.col("noise").is_not_null())
    for words, column in (("corrupted examples", "corrupted"), ("noise", "noise")):
        what = f"share of orbits from {words} that end at training examples, all stored"
        yield nearly_all(what, followed, f"{column}_to_examples", column)


def note(runs: pl.DataFrame) -> str:
    """States what contracts by activation at the greatest depth, and what did not interpolate."""
    deepest = runs["depth"].max()
    deep = runs.filter("interpolated", pl.col("depth") == deepest)
    full, small = (
        listed(deep.filter(which), ["activation"], CONTRACTIVE) for which in (FULL, ~FULL)
    )
    parts = [f"At depth {deepest}, full batches: {full or 'none counted'}."]
    if small:
        parts.append(f"In small batches, which no check counts: {small}.")
    parts.append("Depth 1, for which the source claims a projection, is shown and not checked.")
    missing = runs.filter(~pl.col("interpolated"))
    if missing.height:
        groups = missing.group_by("activation", "depth", maintain_order=True).len()
        lost = ", ".join(
            f"{row['len']} {row['activation']} of depth {row['depth']}"
            for row in groups.iter_rows(named=True)
        )
        parts.append(
            f"{missing.height} of {runs.height} networks did not interpolate and count for "
            f"nothing: {lost}."
        )
    return " ".join(parts)


CONTRACTIVE = {"contractive": Counted("contractive", "n")}


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the share of contractive examples against depth, for each activation."""
    batches = pl.when(~FULL).then(pl.format(", batches of {}", "batch_size")).otherwise(pl.lit(""))
    width = pl.when(DEEP).then(pl.format("width {}", "width")).otherwise(pl.lit("one layer"))
    counted = runs.filter("interpolated").with_columns(network=pl.concat_str(width, batches))
    panels, size = {"facet": "activation", "by": "network"}, {"width": 170, "height": 130}
    x, title = Axis("depth", "depth", "category"), "contractive examples"
    return (rates_figure(counted, CONTRACTIVE, x, title, panels, **size),)


CLAIM = Claim(
    number=4,
    name="deep-contraction",
    statement=(
        "A deep fully connected network that interpolates is locally contractive at its training "
        "examples, and its orbits end there."
    ),
    source="arXiv 1810.10333, deep fully connected autoencoders",
    tolerance=(
        "0.05 below 1 for the share of examples, and of orbits of networks that store all "
        "examples: the source claims all and states no rate, and a claim does not hold as a rule "
        "if it fails in more than one of twenty cases. 0.02 where theory decides (a spectral "
        "radius of 0.9 or less stores, 1.1 or more does not): training to a loss of 1e-8 leaves a"
        " residual of 1e-4, which changes the outcome only at examples next to a kink or where "
        "the Jacobian is far from normal."
    ),
    design=design,
    columns=COLUMNS,
    rates={"share": ("contractive", "n"), "stored_share": ("stored", "n")},
    checks=checks,
    note=note,
    figures=figures,
)
