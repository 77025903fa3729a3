"""Wide networks contract at their examples as the infinite-width limit says, without training.

In the NTK parameterization a network of infinite width, trained on `X` to itself and centred, is

    f(z) = Theta(z, X) Theta(X, X)^-1 X

with the tangent kernel `Theta` (Jiang & Pehlevan 2020, arXiv 2006.16540). The spectral radius of
its Jacobian at an example says whether the example is stored. Networks of finite width are compared
with it, centred as the limit is: `f - f_0`, trained on the targets `X + f_0(X)`.

At width `w` the tangent kernel differs from its limit, and moves in training, by a share of order
`w^(-1/2)` or less (Jacot, Gabriel & Hongler 2018; Lee et al. 2019), and so do the spectral radii.

Trained by gradient descent with rate `lr = n d / (2 lambda)`, `lambda` the largest eigenvalue of
`Theta(X, X)`: in the limit the residual along each eigenvector then shrinks by the factor
`1 - lambda_k / lambda` a step, and none overshoots. Without momentum: it would be faster, but its
large steps at the start move the kernel, and with it the spectral radii.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.stats import Z95
from mnemoscope.claims import (
    Check,
    Claim,
    Row,
    Scale,
    Setting,
    Trained,
    at_least,
    at_most,
    each_value,
    share,
)
from mnemoscope.claims.slopes import log_slope
from mnemoscope.data import load_data
from mnemoscope.maps import SelfMap
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.plots import Axis, Figure
from mnemoscope.theory import NTK

CASES = (
    ("erf", True, (1.0, 2.0)),
    ("relu", True, (1.0, 4.0)),
    ("sigmoid", True, (2.0, 4.0)),
    ("tanh", True, (1.0, 2.0)),
    ("gelu", False, (1.0, 2.0)),
)
"""Activations, with or without biases, and norms: the root mean square that every example is scaled
to, which in the limit decides how strongly it attracts. For a relu network without biases nothing
is to be predicted: it is homogeneous, so an example is an eigenvector with eigenvalue 1. sigmoid is
tanh at half the norm. gelu without biases is there because its limit stores nothing at norm 1."""

FAR = (("erf", True, (4.0,)), ("sigmoid", True, (8.0,)), ("tanh", True, (4.0,)))
"""Norms at which bounded activations need widths of 1e4 and more: to reach targets so large,
training moves the weights of a unit by `(tr X^T Theta^-1 X / (w d))^(1/2)` of their size, and so
what it feels at an example by that share of the norm, which the activation does not find little."""

EXAMPLES = 5

CONVERGED = 1e-10
"""The loss that counts as interpolation here, as a share of the mean square of the examples."""

MOST_STEPS = 20_000
"""Several times what the worst conditioned kernel here needs."""

MARGIN = 0.1
"""A limit nearer to 1 than this predicts nothing of a network of finite width."""

AGREEING = 0.95
"""Share of examples, outside the margin, that are stored as predicted."""

WIDTHS = (256, 1024, 4096)
"""The widths of two layers."""

DEEP_WIDTHS = (64, 256, 1024)
"""Those of more: their weights grow with the square of the width, and at 4,096 a thousand steps of
one network take most of a minute, where bounded activations at large norms need twenty thousand."""


def design(scale: Scale) -> Iterator[Setting]:
    """Networks of growing width, over activations and norms."""
    seeds = scale.range(2, 4, 4)
    for depth in scale.choose((2,), (2,), (2, 3, 4)):
        widths = scale.choose((256, 4096), WIDTHS, WIDTHS if depth == 2 else DEEP_WIDTHS)
        for activation, bias, norms in scale.choose(CASES[1::3], CASES, CASES + FAR):
            spec = FullyConnected(
                shape=(1, 8, 8), depth=depth, activation=activation, bias=bias, init="ntk"
            )
            limit = NTK(spec)
            for norm in norms:
                X = scaled_digits(EXAMPLES, norm)
                largest = float(torch.linalg.eigvalsh(limit.kernel(X, X))[-1])
                radii, rate = limit.spectral_radius(X), X.numel() / (2 * largest)
                for width in widths:
                    wide = spec.model_copy(update={"width": width})
                    yield _centred(wide, X, seeds, radii, rate, norm, scale.device)


def _centred(
    spec: FullyConnected,
    X: Tensor,
    seeds: Sequence[int],
    limit: Tensor,
    lr: float,
    norm: float,
    device: str,
) -> Setting:
    """Networks whose targets are `X + f_0(X)`, so that `f - f_0` is trained on `X`."""
    first = [spec.build(seed=seed, device=device) for seed in seeds]
    states = X.to(device, torch.float32)
    begun = torch.stack([SelfMap(net)(states) for net in first])
    return Setting(
        spec,
        states.expand(len(seeds), *states.shape),
        seeds,
        levels={"norm": norm},
        training={
            "tol": CONVERGED * float(X.square().mean()),
            "optimizer": "gradient_descent",
            "momentum": 0,
            "lr": lr,
            "schedule": "constant",
            "max_steps": MOST_STEPS,
        },
        targets=states + begun,
        measure=(partial(distances, first=first, limit=limit),),
    )


def scaled_digits(n: int, norm: float) -> Float[Tensor, "n 1 8 8"]:
    """Returns digits, each with this root mean square, in float64."""
    X = load_data("digits", n=n).double()
    return X * (norm / X.square().mean((1, 2, 3), keepdim=True).sqrt())


def distances(
    trained: Trained, *, first: Sequence[Network], limit: Float[Tensor, " n"]
) -> Iterator[Row]:
    """Measures how far the spectral radii of each network are from the limit's."""
    decided = (limit - 1).abs() > MARGIN
    diverged = trained.replicas.diverged.tolist()
    for net, start, X, lost in zip(trained.replicas, first, trained.X, diverged, strict=True):
        radii = torch.full_like(limit, torch.nan) if lost else centred_radii(net, start, X)
        away = (radii - limit).abs()
        yield {
            "limit": float(limit.mean()),
            "radius": float(radii.mean()),
            "difference": float(away.mean()),
            "largest_difference": float(away.max()),
            "decided": int(decided.sum()),
            "agreeing": int((((radii < 1) == (limit < 1)) & decided).sum()),
        }


def centred_radii(
    net: Network, first: Network, X: Float[Tensor, "n *shape"]
) -> Float[Tensor, " n"]:
    """Computes the spectral radius of `f - f_0` at each state, in float64."""
    J, J0 = (SelfMap(each).linearize(X).dense().double().cpu() for each in (net, first))
    return torch.linalg.eigvals(J - J0).abs().amax(1)


def slopes(runs: pl.DataFrame) -> list[tuple[float, float]]:
    """Fits the slope of every activation, depth and norm that has one, with its error."""
    found = (
        log_slope(group["width"].to_list(), group["difference"].to_list())
        for _, group in runs.group_by("activation", "depth", "norm", maintain_order=True)
    )
    return [(value, error) for value, error in found if not math.isnan(value)]


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares how the difference falls with width, and what is stored, with the limit."""
    for activation, those in each_value(runs, "activation"):
        # The difference falls with width by more than the uncertainty of its slope.
        ends = [found + Z95 * error for found, error in slopes(those)]
        yield at_most(
            f"slope of log |rho - limit| against log width + 1.96 standard errors, {activation}",
            bound=0.0,
            measured=max(ends, default=math.nan),
            runs=those.height if ends else 0,
        )
    ended = runs.filter("interpolated")
    ratios = _narrowest_to_widest(ended)
    yield at_most(
        "mean |rho - limit| at the largest width over that at the smallest, the largest ratio",
        bound=1.0,
        measured=max(ratios, default=math.nan),
        runs=ended.height if ratios else 0,
    )
    widest = ended.filter(pl.col("width") == pl.col("width").max().over("depth"))
    yield at_least(
        f"share of examples stored or not as predicted, limits within {MARGIN} of 1 left out",
        bound=AGREEING,
        measured=share(widest, "agreeing", "decided"),
        runs=widest.height if widest["decided"].sum() else 0,
    )


def _narrowest_to_widest(runs: pl.DataFrame) -> list[float]:
    """Computes the mean difference at the largest width over that at the smallest, by case."""
    ratios = []
    for _, group in runs.group_by("activation", "depth", "norm", maintain_order=True):
        means = group.group_by("width").agg(pl.col("difference").mean()).sort("width")
        if means.height > 1:
            ratios.append(means["difference"][-1] / means["difference"][0])
    return ratios


def note(runs: pl.DataFrame) -> str:
    """States the slopes, and which norms need larger widths."""
    known = [found for found, _ in slopes(runs.filter("interpolated"))]
    return (f"Slopes from {min(known):.2f} to {max(known):.2f}. " if known else "") + (
        "Bounded activations at larger norms are left to --long: at width 2,048 they were still "
        "0.04 (erf, norm 4), 0.05 (tanh, norm 4) and 0.32 (sigmoid, norm 8) from the limit, hardly "
        "less than at 128."
    )


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes how far spectral radii are from the limit's, against width."""
    counted = runs.filter("interpolated").with_columns(
        pl.format("norm {}", "norm").alias("scaled"), pl.format("depth {}", "depth").alias("layers")
    )
    return (
        Figure(
            counted,
            Axis("width", "width", "log2"),
            Axis("difference", "|spectral radius - limit|, mean over examples", "log"),
            by="activation",
            line="mean",
            column="scaled",
            row="layers",
            tooltip=("seed", "radius", "limit"),
            height=240,
        ),
    )


CLAIM = Claim(
    number=11,
    name="infinite-width",
    statement=(
        "The wider a network in the NTK parameterization, the nearer its spectral radii at the "
        "examples come to those of the infinite-width limit, which need no training."
    ),
    source="arXiv 2006.16540; the limit: mnemoscope.theory.NTK",
    tolerance=(
        "Theory states how the difference decreases, about as width^(-1/2), not how large it is: "
        "the slope in the logarithms must be below 0 by more than 1.96 standard errors, and the "
        "difference at the largest width must be smaller than at the smallest. A limit within 0.1"
        " of 1 predicts nothing, since networks of these widths differ from it by as much; of the"
        " other examples 19 in 20 must be stored, or not, as predicted."
    ),
    design=design,
    rates={"agreeing_share": ("agreeing", "decided")},
    checks=checks,
    note=note,
    figures=figures,
    seconds=45,
)
