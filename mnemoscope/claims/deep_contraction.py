"""Deep networks that interpolate are contractive at their training examples.

`f` is locally contractive at `x_i` if the spectral radius `rho` of its Jacobian there is below 1:
in some norm `f` then brings all states near `x_i` nearer to each other. If also `f(x_i) = x_i`,
orbits from all around end at `x_i` (Ostrowski's theorem; J. M. Ortega & W. C. Rheinboldt,
*Iterative Solution of Nonlinear Equations in Several Variables*, 1970, 10.1.3).

Training leaves a residual `r` of 1e-4 (RMS, at the loss of 1e-8). The fixed point is then
`(1 - J)^-1 r` away: for `rho <= 0.9` by 1e-3 or, as `J` is not normal, by a few times that; so it
lies within 1e-2 of the example, as a stored one does.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

import polars as pl
import torch
from torch import Tensor

from mnemoscope.claims import (
    FULL_BATCHES,
    Check,
    Claim,
    Counted,
    Regime,
    Row,
    Scale,
    Setting,
    Trained,
    each_network,
    each_value,
    listed,
    nearly_all,
    nearly_none,
    phase_diagram,
    share,
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

OVERPARAMETERIZED = ("leaky_relu", "relu", "selu")
"""Activations of the regime: linear for positive inputs. Smooth and bounded ones are its reach."""

SIX = ("leaky_relu", "relu", "selu", "tanh", "sigmoid", "silu")
ALL = tuple(name for name in ACTIVATIONS if name != "identity")
"""A linear network cannot attract: its fixed points fill the affine span of the examples."""

LR = 1e-3
LR_OF_ONE_LAYER = 1e-2
"""One layer, whose loss is nearly a quadratic, bears a higher rate and needs it."""

PARTS = 5
"""The number of small batches in a pass."""

MOST_STEPS = 20_000
"""Steps after which a network has not interpolated; in full batches a quarter of them."""

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
    """Yields wide and deep networks in small batches; and what they are not, as reach."""
    width, depth = scale.choose((64, 4), (256, 8), (256, 8))
    inside = scale.choose(("leaky_relu",), OVERPARAMETERIZED, OVERPARAMETERIZED)
    for n, activation in product(scale.choose((5,), (10, 20), (10, 20, 50, 100)), inside):
        seeds = scale.range(2, 4, 5)
        yield _setting(n, activation, depth, width, seeds, parts=PARTS, in_regime=True)
    # Eight layers of sigmoid take all their steps there and do not interpolate.
    others = scale.choose((), ("tanh", "silu"), ALL)
    for activation in others:
        if activation not in inside:
            yield _setting(10, activation, depth, width, scale.range(2, 3, 3), parts=PARTS)
    for n, activation in product(scale.choose((), (10,), (10, 20, 50, 100)), inside):
        yield _setting(n, activation, depth, width, scale.range(2, 3, 3), parts=1)
    n, activations = scale.choose(5, 10, 10), scale.choose(("leaky_relu", "sigmoid"), SIX, ALL)
    widths = scale.choose((32,), (64,), (32, 64, 128))
    for depth, activation, width in product(
        scale.choose((1, 4), (1, 2, 4, 8), (1, 2, 4, 8, 12)), activations, widths
    ):
        # A single layer has no hidden units, so there is only one width.
        if depth > 1 or width == widths[0]:
            yield _setting(n, activation, depth, width, scale.range(2, 4, 4), parts=1)
    for width, depth, parts in product(
        scale.choose((), (), (512, 1024)), scale.choose((), (), (8, 12)), (1, PARTS)
    ):
        yield _setting(20, "leaky_relu", depth, width, scale.range(0, 0, 1), parts=parts)


def _setting(
    n: int,
    activation: str,
    depth: int,
    width: int,
    seeds: Sequence[int],
    *,
    parts: int,
    in_regime: bool = False,
) -> Setting:
    X, deep = 0.1 + 0.8 * load_data("digits", n=n), depth > 1
    return Setting(
        FullyConnected(shape=X.shape[1:], depth=depth, width=width, activation=activation),
        X,
        seeds,
        levels={} if deep else {"width": None},
        training={
            "lr": LR if deep else LR_OF_ONE_LAYER,
            "batch_size": max(1, n // parts),
            # Eight layers of sigmoid need more than there is time for by default.
            "max_steps": MOST_STEPS if parts > 1 else MOST_STEPS // 4,
        },
        measure=(partial(contraction, follow=deep),),
        in_regime=in_regime,
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


DEEP = pl.col("depth") > 1
CONTRACTIVE = {"contractive": Counted("contractive", "n")}


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares contraction, storage by spectral radius, and ends of orbits with theory."""
    for column, words in (("n", "n = {}"), ("activation", "{}")):
        for value, those in each_value(runs, column):
            what = f"share of contractive examples, {words.format(value)}"
            yield nearly_all(what, those, "contractive", "n")
    counted = runs.filter("interpolated")
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
    """States what is stored in the regime, and what did not interpolate."""
    inside = runs.filter("interpolated", "in_regime")
    kinds = {**CONTRACTIVE, "stored": Counted("stored", "n")}
    parts = [f"In the regime: {listed(inside, ['n'], kinds) or 'none counted'}."]
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


def reach(runs: pl.DataFrame) -> str:
    """States contraction beyond the regime, in full batches over all activations."""
    beyond = runs.filter("interpolated", ~pl.col("in_regime"))
    parts = {
        "Full batches": (beyond.filter(FULL_BATCHES, DEEP), ["depth", "width"]),
        "Small batches": (beyond.filter(~FULL_BATCHES), ["activation", "depth", "width"]),
        "One layer, which is said to project": (beyond.filter(~DEEP), ["activation"]),
    }
    stated = [
        f"{words}: {listed(those, by, CONTRACTIVE)}"
        for words, (those, by) in parts.items()
        if those.height
    ]
    above = beyond.filter(pl.col("well_above") > 0)
    if above.height:
        stated.append(
            f"Of examples with a spectral radius of {WELL_ABOVE} or more "
            f"{share(above, 'well_above_stored', 'well_above'):.1%} are stored"
        )
    return ". ".join(stated) + "." if stated else ""


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the share of contractive examples over depth, batches and width, by activation."""
    counted = runs.filter("interpolated", DEEP).sort(
        "depth", ~FULL_BATCHES, "width", maintain_order=True
    )
    small = pl.when(FULL_BATCHES).then(pl.lit("")).otherwise(pl.lit(" small"))
    counted = counted.with_columns(batches=pl.format("{}{}", "depth", small))
    axes = (
        Axis("batches", f"depth (small: batches of n / {PARTS})", "category"),
        Axis("width", "width", "category"),
    )
    kind = CONTRACTIVE["contractive"]
    return (phase_diagram(counted, kind, *axes, "contractive examples", facet="activation"),)


CLAIM = Claim(
    number=4,
    name="deep-contraction",
    statement=(
        "An overparameterized deep fully connected network that interpolates is locally "
        "contractive at its training examples, and its orbits end there."
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
    regime=Regime(
        words=(
            "10 and 20 digits (with `long` 50 and 100 as well), width 256 (4 times the pixels), 8 "
            "layers, leaky_relu, relu and selu: 428,000 parameters for at most 1,280 numbers (6,400"
            "); Adam 1e-3 in batches of n / 5, PyTorch's first weights"
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
    seconds=200,
)
