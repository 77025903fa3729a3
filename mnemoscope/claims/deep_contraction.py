"""Deep networks that interpolate are contractive at their training examples.

`f` is locally contractive at `x_i` if the spectral radius `rho` of its Jacobian there is below 1:
in some norm `f` then brings all states near `x_i` nearer to each other. If besides `f(x_i) = x_i`,
orbits from all around end at `x_i` (Ostrowski's theorem; J. M. Ortega & W. C. Rheinboldt,
*Iterative Solution of Nonlinear Equations in Several Variables*, 1970, 10.1.3).

Training leaves a residual `r` of 1e-4 (RMS, at the loss of 1e-8). The fixed point is then
`(1 - J)^-1 r` away: for `rho <= 0.9` by 1e-3 or, as `J` is not normal, by a few times that; so it
lies within 1e-2 of the example, as a stored one does.
"""

from itertools import product

import altair as alt
import polars as pl
import torch
from altair.typing import ChartType
from torch import Tensor

from mnemoscope.claims.checks import at_least, at_most
from mnemoscope.claims.claim import Check, Claim, Evidence
from mnemoscope.claims.rates import NEARLY_ALL, pooled, share, with_rate
from mnemoscope.claims.scale import Scale
from mnemoscope.data import corrupt, load_data
from mnemoscope.dynamics import Starts, find_attractors
from mnemoscope.dynamics.outcomes import count_outcomes, reached_own
from mnemoscope.dynamics.starts import Range
from mnemoscope.measure.replicas import stored_by_replica
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.nets.activations import ACTIVATIONS
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import theme
from mnemoscope.training import TrainingOptions, replica_spectral_radius, train_replicas

CERTAIN = 0.02
"""What may be missing where theory leaves only the residual and what lies beyond the linear."""

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
"""The deepest and widest networks are trained in small batches as well, to tell what the noise of
the gradient does; by default with these activations and no more than so many seeds."""

FOLLOWED = 5
"""Of each setting, so many networks that store all examples are iterated from starts elsewhere."""

CORRUPTIONS = (("gaussian", 0.1), ("mask_pixels", 0.25))
NOISE = ("uniform", "gaussian")
TRIALS = 10
"""Corrupted copies of each example, of each kind; and so many times `n` starts of each noise."""


def experiment(scale: Scale) -> Evidence:
    """Activation x depth x width, many seeds each, on digits."""
    X = 0.1 + 0.8 * load_data("digits", n=scale.choose(5, 10, 10))
    activations = scale.choose(("leaky_relu", "sigmoid"), SIX, ALL)
    depths = scale.choose((1, 4), (1, 2, 4, 8), tuple(range(1, 13)))
    widths = scale.choose((32,), (32, 64), (32, 64, 128, 256))
    seeds = list(scale.range(3, 20, 20))
    # Eight layers of sigmoid need more than there is time for by default.
    most = scale.choose(5_000, 5_000, 100_000)
    noisy = scale.choose((), NOISY, ALL)
    rows = []
    for depth, activation, width in product(depths, activations, widths):
        # A single layer has no hidden units, so one width is all there are.
        if depth > 1 or width == widths[0]:
            spec = FullyConnected(
                shape=tuple(X.shape[1:]), depth=depth, width=width, activation=activation
            )
            rows += _networks(spec, X, seeds, len(X), most, scale.device)
            if depth == max(depths) and width == widths[-1] and activation in noisy:
                rows += _networks(spec, X, seeds[:FEWER], len(X) // 5, most, scale.device)
    table = pl.DataFrame(rows, schema_overrides={"width": pl.Int64(), **MEASURED})
    runs = with_rate(table, "contractive", "n", "share")
    runs = with_rate(runs, "stored", "n", "stored_share")
    checks = _checks(runs, [depth for depth in depths if depth > 1])
    return Evidence(checks, runs, _note(runs, max(depths)))


MEASURED: dict[str, pl.DataType] = {
    **dict.fromkeys(
        (
            "contractive", "stored", "well_below", "well_below_stored", "well_above",
            "well_above_stored", "corrupted", "corrupted_to_own", "corrupted_to_examples", "noise",
            "noise_to_examples", "noise_to_spurious", "noise_not_settled",
            "examples_reached_from_noise",
        ),
        pl.Int64(),
    ),
    "median_radius": pl.Float64(),
    "largest_radius": pl.Float64(),
}  # fmt: skip
"""What is measured of networks that interpolate; the orbits, of those that are followed."""


def _networks(
    spec: FullyConnected,
    X: Tensor,
    seeds: list[int],
    batch_size: int,
    most: int,
    device: str,
) -> list[dict[str, object]]:
    """A row for each seed: contraction at the examples, storage, ends of orbits from elsewhere."""
    replicas = train_replicas(
        spec,
        X,
        TrainingOptions(
            lr=LR_OF_ONE_LAYER if spec.depth == 1 else LR, batch_size=batch_size, max_steps=most
        ),
        seeds=seeds,
        device=device,
    )
    radius = replica_spectral_radius(replicas, X).cpu()
    kept = stored_by_replica(replicas, X)
    found, followed = [], 0
    for r, seed in enumerate(seeds):
        interpolated = bool(replicas.converged[r])
        row: dict[str, object] = {
            "activation": spec.activation,
            "depth": spec.depth,
            "width": spec.width if spec.depth > 1 else None,
            "batch_size": batch_size,
            "seed": seed,
            "n": len(X),
            "steps": int(replicas.steps[r]),
            "loss": float(replicas.loss[r]),
            "interpolated": interpolated,
            **dict.fromkeys(MEASURED),
        }
        if interpolated:
            below, above = radius[r] <= WELL_BELOW, radius[r] >= WELL_ABOVE
            row |= {
                "contractive": int((radius[r] < 1).sum()),
                "stored": int(kept[r].sum()),
                "median_radius": float(radius[r].median()),
                "largest_radius": float(radius[r].max()),
                "well_below": int(below.sum()),
                "well_below_stored": int((below & kept[r]).sum()),
                "well_above": int(above.sum()),
                "well_above_stored": int((above & kept[r]).sum()),
            }
            if spec.depth > 1 and bool(kept[r].all()) and followed < FOLLOWED:
                followed += 1
                row |= _followed(replicas[r], X.to(device), seed)
        found.append(row)
    return found


def _followed(net: Network, X: Tensor, seed: int) -> dict[str, object]:
    """Where orbits from corrupted examples and from noise end."""
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


def _checks(runs: pl.DataFrame, depths: list[int]) -> tuple[Check, ...]:
    counted = runs.filter("interpolated", pl.col("batch_size") == pl.col("n"))
    deep = counted.filter(pl.col("depth") > 1)
    checks = []
    for depth in depths:
        those = counted.filter(pl.col("depth") == depth)
        checks.append(
            _all(f"share of contractive examples, depth {depth}", those, "contractive", "n")
        )
    some = deep.filter(pl.col("well_below") > 0)
    checks.append(
        at_least(
            f"share stored of examples with spectral radius <= {WELL_BELOW}",
            bound=1.0,
            measured=share(some, "well_below_stored", "well_below"),
            runs=some.height,
            tolerance=CERTAIN,
        )
    )
    some = deep.filter(pl.col("well_above") > 0)
    checks.append(
        at_most(
            f"share stored of examples with spectral radius >= {WELL_ABOVE}",
            bound=0.0,
            measured=share(some, "well_above_stored", "well_above"),
            runs=some.height,
            tolerance=CERTAIN,
        )
    )
    followed = deep.filter(pl.col("noise").is_not_null())
    checks += [
        _all(
            f"share of orbits from {word} that end at training examples, all stored",
            followed,
            f"{column}_to_examples",
            column,
        )
        for word, column in (("corrupted examples", "corrupted"), ("noise", "noise"))
    ]
    return tuple(checks)


def _all(what: str, runs: pl.DataFrame, count: str, total: str) -> Check:
    return at_least(
        what, bound=1.0, measured=share(runs, count, total), runs=runs.height, tolerance=NEARLY_ALL
    )


def _note(runs: pl.DataFrame, deepest: int) -> str:
    deep = runs.filter("interpolated", pl.col("depth") == deepest)
    full, small = (
        _by_activation(deep.filter(which))
        for which in (pl.col("batch_size") == pl.col("n"), pl.col("batch_size") < pl.col("n"))
    )
    parts = [f"Contractive at depth {deepest}, full batches: {full or 'none counted'}."]
    if small:
        parts.append(f"In small batches, which no check counts: {small}.")
    parts.append("Depth 1, of which the source claims a projection, is told and not checked.")
    missing = runs.filter(~pl.col("interpolated"))
    if missing.height:
        groups = missing.group_by("activation", "depth", maintain_order=True).len()
        told = ", ".join(
            f"{row['len']} {row['activation']} of depth {row['depth']}"
            for row in groups.iter_rows(named=True)
        )
        parts.append(
            f"{missing.height} of {runs.height} networks did not interpolate and count for "
            f"nothing: {told}."
        )
    return " ".join(parts)


def _by_activation(runs: pl.DataFrame) -> str:
    shares = pooled(runs, ["activation"], "contractive", "n", "share").sort("share")
    return ", ".join(
        f"{row['activation']} {row['share']:.0%} ({row['contractive']} of {row['n']})"
        for row in shares.iter_rows(named=True)
    )


def figure(runs: pl.DataFrame) -> ChartType:
    """The share of contractive examples against depth, for each activation."""
    counted = runs.filter("interpolated").with_columns(
        pl.concat_str(
            pl.when(pl.col("depth") == 1)
            .then(pl.lit("one layer"))
            .otherwise(pl.format("width {}", pl.col("width"))),
            pl.when(pl.col("batch_size") < pl.col("n"))
            .then(pl.format(", batches of {}", pl.col("batch_size")))
            .otherwise(pl.lit("")),
        ).alias("network")
    )
    shares = pooled(counted, ["activation", "depth", "network"], "contractive", "n", "share")
    base = alt.Chart(chart_data(shares)).encode(
        x=alt.X("depth:O", title="depth", axis=alt.Axis(labelAngle=0)),
        color=alt.Color("network:N", sort=None),
    )
    scale = alt.Scale(domain=[0, 1])
    intervals = base.mark_rule().encode(y=alt.Y("share_low:Q", scale=scale), y2="share_high:Q")
    points = base.mark_line(point=True).encode(
        y=alt.Y("share:Q", scale=scale, axis=alt.Axis(format="%"), title="contractive examples"),
        tooltip=[
            "activation:N",
            "depth:O",
            "network:N",
            alt.Tooltip("runs:Q", title="networks"),
            alt.Tooltip("contractive:Q", title="contractive"),
            alt.Tooltip("n:Q", title="of"),
            alt.Tooltip("share_low:Q", title="95% from", format=".1%"),
            alt.Tooltip("share_high:Q", title="to", format=".1%"),
        ],
    )
    return (
        alt.layer(intervals, points, data=base.data)
        .properties(width=170, height=130)
        .facet(alt.Facet("activation:N", title=None), columns=3)
        .configure(**theme())
    )


CLAIM = Claim(
    number=4,
    name="deep-contraction",
    statement=(
        "A deep fully connected network that interpolates is locally contractive at its training "
        "examples, and its orbits end there."
    ),
    source="arXiv 1810.10333, deep fully connected autoencoders",
    tolerance=(
        "0.05 below all of the examples, or of the orbits of networks that store all: the source "
        "says all and gives no rate, and what more than one in twenty escape is no rule. 0.02 "
        "where theory decides (a spectral radius of 0.9 or less stores, 1.1 or more does not): "
        "training to a loss of 1e-8 leaves a residual of 1e-4, too little to change sides but at "
        "examples beside a kink or where the Jacobian is far from normal."
    ),
    experiment=experiment,
    figure=figure,
)
