"""A linear convolutional network too shallow to connect all pixels cannot be the projection.

After `L` layers of `k × k` convolution with zero padding, the entry of the operator `A` for two
pixels more than `L (k - 1) / 2` apart in Chebyshev distance is exactly 0 for any number of
channels. The projection on one generic image, `P = x xᵀ / |x|²`, has no zero entry. With `M` the
entries that may be other than 0,

    |A - P|² = Σ_M (A - P)² + Σ_not-M P²  ≥  Σ_not-M P²,

with equality for the operator that is `P` on `M`: the norm of `P` off the pattern is the smallest
distance to the projection that the pattern allows. It is 0 only from `(s - 1) / ((k - 1) / 2)`
layers on. Shallower networks do interpolate, `A x = x` (the identity does), and are not `P`.

Source: Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333, on linear convolutional autoencoders.
"""

from collections.abc import Iterator, Sequence

import polars as pl
import torch
from torch import Tensor

from mnemoscope.claims import (
    Check,
    Claim,
    Row,
    Scale,
    Setting,
    Trained,
    at_least,
    each_network,
    each_value,
    near,
    noise_images,
)
from mnemoscope.claims.operators import operator
from mnemoscope.data import load_data
from mnemoscope.nets import Convolutional
from mnemoscope.plots import Axis, Figure, Reference
from mnemoscope.theory import minimum_memorizing_depth, receptive_field_mask

ROUNDING = 1e-12
"""Relative error of sums of up to 20,000 squares in float64, and of their roots."""

RATES = {1: 1e-2, 4: 1e-2, 16: 3e-3}
"""Rate of Adam, by channels: the more channels, the more a step changes a product of layers."""

MOST_STEPS = 1_500
"""Maximum number of steps. With one channel and several layers most runs do not interpolate: there
are fewer weights than pixels, so few of their operators can keep a given image."""

PHOTOGRAPHS_FROM = 8
"""Side of the smallest images that are photographs; smaller crops are almost constant."""

Case = tuple[int, int, tuple[int, ...]]
"""Side of the images, side of the kernels, depths."""


def design(scale: Scale) -> Iterator[Setting]:
    """Networks of 1, 4 and 16 channels, each with an image of its own."""
    seeds = scale.range(2, 4, 6)
    cases: list[Case] = scale.choose(
        [(4, 3, (1, 2, 3))],
        [(4, 3, (1, 2, 3)), (8, 3, (1, 3, 6, 7)), (8, 5, (1, 3, 4))],
        [(size, k, _all_depths(size, k)) for size in (6, 8, 12) for k in (3, 5)],
    )
    for size, kernel_size, depths in cases:
        X = images(size, seeds)
        for channels, lr in RATES.items():
            for depth in depths:
                yield Setting(
                    Convolutional(
                        shape=(1, size, size),
                        channels=channels,
                        depth=depth,
                        kernel_size=kernel_size,
                        activation="identity",
                        bias=False,
                        init="kaiming_normal",
                    ),
                    X,
                    seeds,
                    levels={"size": size, "minimum_depth": _all_depths(size, kernel_size)[-1]},
                    training={"lr": lr, "max_steps": MOST_STEPS, "finish": "gauss_newton"},
                    measure=(zeros_and_distance,),
                )


def images(size: int, seeds: Sequence[int]) -> Tensor:
    """Returns an image for each seed, `(R, 1, 1, size, size)`."""
    if size < PHOTOGRAPHS_FROM:
        return torch.stack([noise_images(1, size, seed=seed) for seed in seeds])
    return load_data("photos", n=len(seeds), size=size, gray=True)[:, None]


def _all_depths(size: int, kernel_size: int) -> tuple[int, ...]:
    return tuple(range(1, minimum_memorizing_depth(size, kernel_size) + 1))


def zeros_and_distance(trained: Trained) -> Iterator[Row]:
    """Counts the zeros of each operator, and measures its distance to the projection."""
    spec = trained.replicas.spec
    assert isinstance(spec, Convolutional)
    mask = receptive_field_mask(spec.shape[-1], spec.depth, spec.kernel_size)
    for net, X, _, _ in each_network(trained):
        A, x = operator(net, spec.shape), X.cpu().flatten().double()
        P = torch.outer(x, x) / x.square().sum()
        yield {
            "zeros_of_projection": int((P == 0).sum()),
            "beyond_pattern": int((A[~mask] != 0).sum()),
            "zeros_within_pattern": int((A[mask] == 0).sum()),
            "moved": float((A @ x - x).norm() / x.norm()),
            "distance": float((A - P).norm()),
            "least_distance": least_distance(P, mask),
        }


def least_distance(P: Tensor, mask: Tensor) -> float:
    """Computes the smallest Frobenius distance to `P` of any matrix that is 0 outside `mask`.

    Example:
        >>> round(least_distance(torch.ones(2, 2), torch.eye(2, dtype=torch.bool)), 4)
        1.4142
    """
    return float(P[~mask].norm())


SHALLOW = pl.col("depth") < pl.col("minimum_depth")


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares zeros of the operators, and their distance to the projection, with theory."""
    for channels, those in each_value(runs, "channels"):
        words = "channel" if channels == 1 else "channels"
        yield _none(
            f"entries that are not exactly 0 beyond the pixels' reach, {channels} {words}",
            those.filter(SHALLOW),
            "beyond_pattern",
        )
    counted = runs.filter("interpolated")
    shallow, enough = counted.filter(SHALLOW), counted.filter(~SHALLOW)
    yield _none("entries that are exactly 0 at the minimum depth", enough, "zeros_within_pattern")
    yield _none("zero entries of the projections", counted, "zeros_of_projection")
    ratio = shallow.select((pl.col("distance") / pl.col("least_distance")).min()).item()
    yield at_least(
        "|A - P|, in multiples of the least that the pattern allows, where A x = x",
        bound=1.0,
        measured=float("nan") if ratio is None else ratio,
        runs=shallow.height,
        tolerance=ROUNDING,
    )


def _none(what: str, runs: pl.DataFrame, column: str) -> Check:
    measured = float(runs[column].sum()) if runs.height else float("nan")
    return near(what, predicted=0.0, measured=measured, tolerance=0.0, runs=runs.height)


def note(runs: pl.DataFrame) -> str:
    """States the distances to the projection below the minimum depth."""
    shallow = runs.filter("interpolated", SHALLOW)
    if shallow.is_empty():
        return "No network below the minimum depth interpolated."
    least, most = shallow["least_distance"].min(), shallow["least_distance"].max()
    return (
        f"|P| is 1. The least distance is between {least:.2g} and {most:.2g}, the networks' "
        f"between {shallow['distance'].min():.2g} and {shallow['distance'].max():.2g}, while they "
        f"move their example by no more than {shallow['moved'].max():.1g} of its norm."
    )


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the distance to the projection against depth, and the bound."""
    case = pl.format(
        "{} × {} pixels, {} × {} kernels", "size", "size", "kernel_size", "kernel_size"
    )
    counted = runs.filter("interpolated").with_columns(case=case)
    return (
        Figure(
            counted,
            Axis("depth", "layers", ticks=tuple(counted["depth"].unique().sort())),
            Axis("distance", "distance to the projection", "symlog"),
            by="channels",
            theory=Reference(y="least_distance"),
            facet="case",
            columns=2,
            titles={"channels": "channels"},
            tooltip=("seed",),
            width=280,
        ),
    )


CLAIM = Claim(
    number=6,
    name="depth-necessary",
    statement=(
        "A linear convolutional network with too few layers to connect all pixels of an image is "
        "not the projection on it, for any number of channels: the entries beyond the pixels' "
        "reach are exactly 0, and the projection has no zero entry."
    ),
    source=(
        "arXiv 1810.10333, linear convolutional autoencoders; pattern: "
        "mnemoscope.theory.receptive_field_mask"
    ),
    tolerance=(
        "None for the zeros: products with 0 and their sums are exact in floating point. 1e-12 "
        "relative for the smallest distance: the bound is an identity, and the only error is "
        "float64's rounding in sums of squares."
    ),
    design=design,
    checks=checks,
    note=note,
    figures=figures,
    seconds=60,
)
