"""A linear convolutional network too shallow to connect all pixels cannot be the projection.

After `L` layers of `k × k` convolution with zero padding, the entry of the operator `A` for two
pixels more than `L (k - 1) / 2` apart in Chebyshev distance is exactly 0, however many channels lie
between. The projection on one generic image, `P = x xᵀ / |x|²`, has no zero entry. With `M` the
entries that may be other than 0,

    |A - P|² = Σ_M (A - P)² + Σ_not-M P²  ≥  Σ_not-M P²,

with equality for the operator that is `P` on `M`: the norm of `P` off the pattern is the smallest
distance to the projection that the pattern allows. It is 0 only from `(s - 1) / ((k - 1) / 2)`
layers on. Shallower networks do interpolate, `A x = x` (the identity does), and are not `P`.

Source: Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333, on linear convolutional autoencoders.
"""

import altair as alt
import polars as pl
import torch
from altair.typing import ChartType
from torch import Tensor

from mnemoscope.claims.checks import at_least, near
from mnemoscope.claims.claim import Check, Claim, Evidence
from mnemoscope.claims.noise_images import noise_images
from mnemoscope.claims.operators import operator
from mnemoscope.claims.scale import Scale
from mnemoscope.data import load_data
from mnemoscope.nets import Convolutional
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import theme
from mnemoscope.theory import minimum_memorizing_depth, receptive_field_mask
from mnemoscope.training import TrainingOptions, train_replicas

ROUNDING = 1e-12
"""How far sums of up to 20,000 squares in float64, and their roots, may be off, relative."""

RATES = {1: 1e-2, 4: 1e-2, 16: 3e-3}
"""Of Adam, by channels: the more channels, the more a step changes a product of layers."""

MOST_STEPS = 1_500
"""Steps after which a run has not interpolated. With one channel and several layers most have not:
there are fewer weights than pixels, so all but few of their operators cannot keep a given image."""

PHOTOGRAPHS_FROM = 8
"""Side of the smallest images that are photographs; smaller crops are all but flat."""

Case = tuple[int, int, tuple[int, ...]]
"""Side of the images, side of the kernels, depths."""


def experiment(scale: Scale) -> Evidence:
    """Networks of 1, 4 and 16 channels, each with an image of its own."""
    seeds = list(scale.range(2, 4, 10))
    cases: list[Case] = scale.choose(
        [(4, 3, (1, 2, 3))],
        [(4, 3, (1, 2, 3)), (8, 3, (1, 3, 6, 7)), (8, 5, (1, 3, 4))],
        [(size, k, _all_depths(size, k)) for size in (6, 8, 12) for k in (3, 5)],
    )
    rows = []
    for size, kernel_size, depths in cases:
        X = _images(size, seeds)
        for channels in RATES:
            for depth in depths:
                spec = Convolutional(
                    shape=(1, size, size), channels=channels, depth=depth, kernel_size=kernel_size,
                    activation="identity", bias=False, init="kaiming_normal",
                )  # fmt: skip
                rows += _trained(spec, X, seeds, scale.device)
    runs = pl.DataFrame(rows)
    return Evidence(_checks(runs), runs, _note(runs))


def _images(size: int, seeds: list[int]) -> Tensor:
    """`(R, 1, 1, size, size)`, an image for each seed."""
    if size < PHOTOGRAPHS_FROM:
        return torch.stack([noise_images(1, size, seed=seed) for seed in seeds])
    return load_data("photos", n=len(seeds), size=size, gray=True)[:, None]


def _all_depths(size: int, kernel_size: int) -> tuple[int, ...]:
    return tuple(range(1, minimum_memorizing_depth(size, kernel_size) + 1))


def _trained(
    spec: Convolutional, X: Tensor, seeds: list[int], device: str
) -> list[dict[str, object]]:
    """A row for each seed: the operator's zeros, and its distance to the projection."""
    replicas = train_replicas(
        spec,
        X,
        TrainingOptions(lr=RATES[spec.channels], max_steps=MOST_STEPS, finish="gauss_newton"),
        seeds=seeds,
        device=device,
    )
    size, kernel_size = spec.shape[-1], spec.kernel_size
    mask = receptive_field_mask(size, spec.depth, kernel_size)
    found = []
    for r, seed in enumerate(seeds):
        A = operator(replicas[r], spec.shape)
        x = X[r].flatten().double()
        P = torch.outer(x, x) / x.square().sum()
        found.append(
            {
                "size": size,
                "kernel_size": kernel_size,
                "minimum_depth": minimum_memorizing_depth(size, kernel_size),
                "channels": spec.channels,
                "depth": spec.depth,
                "seed": seed,
                "loss": float(replicas.loss[r]),
                "steps": int(replicas.steps[r]),
                "interpolated": bool(replicas.converged[r]),
                "zeros_of_projection": int((P == 0).sum()),
                "beyond_pattern": int((A[~mask] != 0).sum()),
                "zeros_within_pattern": int((A[mask] == 0).sum()),
                "moved": float((A @ x - x).norm() / x.norm()),
                "distance": float((A - P).norm()),
                "least_distance": least_distance(P, mask),
            }
        )
    return found


def least_distance(P: Tensor, mask: Tensor) -> float:
    """The smallest Frobenius distance to `P` of any matrix that is 0 where `mask` is False.

    Example:
        >>> round(least_distance(torch.ones(2, 2), torch.eye(2, dtype=torch.bool)), 4)
        1.4142
    """
    return float(P[~mask].norm())


def _checks(runs: pl.DataFrame) -> tuple[Check, ...]:
    counted = runs.filter("interpolated")
    shallow = counted.filter(pl.col("depth") < pl.col("minimum_depth"))
    enough = counted.filter(pl.col("depth") >= pl.col("minimum_depth"))
    beyond = [
        _count(
            f"entries that are not exactly 0 beyond the pixels' reach, {channels} "
            f"{'channel' if channels == 1 else 'channels'}",
            shallow.filter(pl.col("channels") == channels),
            "beyond_pattern",
        )
        for channels in runs["channels"].unique(maintain_order=True)
    ]
    ratio = shallow.select((pl.col("distance") / pl.col("least_distance")).min()).item()
    return (
        *beyond,
        _count("entries that are exactly 0 at the minimum depth", enough, "zeros_within_pattern"),
        _count("zero entries of the projections", counted, "zeros_of_projection"),
        at_least(
            "|A - P|, in multiples of the least that the pattern allows, where A x = x",
            bound=1.0,
            measured=float("nan") if ratio is None else ratio,
            runs=shallow.height,
            tolerance=ROUNDING,
        ),
    )


def _count(what: str, runs: pl.DataFrame, column: str) -> Check:
    measured = float(runs[column].sum()) if runs.height else float("nan")
    return near(what, predicted=0.0, measured=measured, tolerance=0.0, runs=runs.height)


def _note(runs: pl.DataFrame) -> str:
    shallow = runs.filter("interpolated", pl.col("depth") < pl.col("minimum_depth"))
    if shallow.is_empty():
        return "No network below the minimum depth interpolated."
    least, most = shallow["least_distance"].min(), shallow["least_distance"].max()
    return (
        f"|P| is 1. The least distance is between {least:.2g} and {most:.2g}, the networks' "
        f"between {shallow['distance'].min():.2g} and {shallow['distance'].max():.2g}, while they "
        f"move their example by no more than {shallow['moved'].max():.1g} of its norm."
    )


def figure(runs: pl.DataFrame) -> ChartType:
    """Distance to the projection against depth, and the bound."""
    counted = runs.filter("interpolated").with_columns(
        pl.format(
            "{} × {} pixels, {} × {} kernels", "size", "size", "kernel_size", "kernel_size"
        ).alias("case")
    )
    data = chart_data(counted)
    x = alt.X("depth:Q", title="layers", axis=alt.Axis(tickMinStep=1, format="d"))
    y = alt.Y(
        "distance:Q",
        scale=alt.Scale(type="symlog", constant=0.1),
        title="distance to the projection",
    )
    bound = (
        alt.Chart()
        .mark_line(style="reference", strokeDash=[4, 3])
        .encode(x=x, y=alt.Y("mean(least_distance):Q"))
    )
    points = (
        alt.Chart()
        .mark_point(opacity=0.7, filled=True)
        .encode(
            x=x,
            y=y,
            color=alt.Color("channels:N", title="channels"),
            tooltip=["channels:N", "depth:Q", "seed:N", "distance:Q", "least_distance:Q"],
        )
    )
    return (
        alt.layer(points, bound, data=data)
        .properties(width=280, height=220)
        .facet(alt.Facet("case:N", title=None), columns=2)
        .configure(**theme())
    )


CLAIM = Claim(
    number=6,
    name="depth-necessary",
    statement=(
        "With fewer layers than connect all pixels of an image, no linear convolutional network is "
        "the projection on it, however many channels it has: the entries beyond the pixels' reach "
        "are exactly 0, and the projection has no zero entry."
    ),
    source=(
        "arXiv 1810.10333, linear convolutional autoencoders; pattern: "
        "mnemoscope.theory.receptive_field_mask"
    ),
    tolerance=(
        "None for the zeros: products with 0 and their sums are exact in floating point. 1e-12 "
        "relative for the smallest distance: the bound is an identity, and only float64's rounding "
        "in sums of squares comes between."
    ),
    experiment=experiment,
    figure=figure,
)
