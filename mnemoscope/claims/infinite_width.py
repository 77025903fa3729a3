"""Wide networks contract at their examples as the infinite-width limit says, without training.

In the NTK parameterization a network of infinite width, trained on `X` to itself and centred, is

    f(z) = Theta(z, X) Theta(X, X)^-1 X

with the tangent kernel `Theta` (Jiang & Pehlevan 2020, arXiv 2006.16540). The spectral radius of
its Jacobian at an example says whether the example is stored. Held against networks of finite
width, centred as the limit is: `f - f_0`, trained on the targets `X + f_0(X)`.

At width `w` the tangent kernel differs from its limit, and moves in training, by a share of order
`w^(-1/2)` or less (Jacot, Gabriel & Hongler 2018; Lee et al. 2019), and so do the spectral radii.

Trained by gradient descent with rate `lr = n d / (2 lambda)`, `lambda` the largest eigenvalue of
`Theta(X, X)`: in the limit the residual along each eigenvector then shrinks by the factor
`1 - lambda_k / lambda` a step, and none overshoots. Without momentum: it would be faster, but its
large steps at the start move the kernel, and with it the spectral radii.
"""

import math
from collections.abc import Sequence

import altair as alt
import polars as pl
import torch
from altair.typing import ChartType
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.stats import Z95, wilson
from mnemoscope.claims.checks import at_least, at_most
from mnemoscope.claims.claim import Check, Claim, Evidence
from mnemoscope.claims.scale import Scale
from mnemoscope.data import load_data
from mnemoscope.maps import SelfMap
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import theme
from mnemoscope.theory import NTK
from mnemoscope.training import TrainingOptions, train_replicas

CASES = (
    ("erf", True, (1.0, 2.0)),
    ("relu", True, (1.0, 4.0)),
    ("sigmoid", True, (2.0, 4.0)),
    ("tanh", True, (1.0, 2.0)),
    ("gelu", False, (1.0, 2.0)),
)
"""Activations, with or without biases, and norms: the root mean square that every example is scaled
to, which in the limit decides how strongly it attracts. Of a relu network without biases nothing is
to be predicted: it is homogeneous, so an example is an eigenvector with eigenvalue 1. sigmoid is
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


WIDTHS = (256, 1024, 4096, 16384)
"""The widths of two layers."""

DEEP_WIDTHS = (64, 256, 1024)
"""Those of more: their weights grow with the square of the width, and at 4,096 a thousand steps of
one network take most of a minute, where bounded activations at large norms need twenty thousand."""


def experiment(scale: Scale) -> Evidence:
    """Networks of growing width, over activations and norms."""
    seeds = list(scale.range(2, 4, 10))
    rows = []
    for depth in scale.choose((2,), (2,), (2, 3, 4)):
        widths = scale.choose((256, 4096), WIDTHS[:3], WIDTHS if depth == 2 else DEEP_WIDTHS)
        for activation, bias, norms in scale.choose(CASES[1::3], CASES, CASES + FAR):
            for norm in norms:
                X = scaled_digits(EXAMPLES, norm)
                spec = FullyConnected(
                    shape=(1, 8, 8), depth=depth, activation=activation, bias=bias, init="ntk"
                )
                limit = NTK(spec)
                radii = limit.spectral_radius(X)
                largest = float(torch.linalg.eigvalsh(limit.kernel(X, X))[-1])
                told = {"activation": activation, "depth": depth, "norm": norm}
                for width in widths:
                    wide = spec.model_copy(update={"width": width})
                    found = _trained(wide, X, radii, largest, seeds, scale.device)
                    rows += [{**told, "width": width, **row} for row in found]
    runs = pl.DataFrame(rows)
    ended = runs.filter("interpolated")
    checks = [
        _falling(name, ended.filter(pl.col("activation") == name))
        for name in runs["activation"].unique(maintain_order=True)
    ]
    widest = ended.filter(pl.col("width") == pl.col("width").max().over("depth"))
    checks += [_from_narrowest_to_widest(ended), _agreement(widest)]
    return Evidence(tuple(checks), runs, note=_note(ended))


def _note(runs: pl.DataFrame) -> str:
    slopes = [
        slope(group["width"].to_list(), group["difference"].to_list())[0]
        for _, group in runs.group_by("activation", "depth", "norm", maintain_order=True)
    ]
    known = [value for value in slopes if not math.isnan(value)]
    told = f"Slopes from {min(known):.2f} to {max(known):.2f}. " if known else ""
    return told + (
        "Bounded activations at larger norms are left to --long: at width 2,048 they were still "
        "0.04 (erf, norm 4), 0.05 (tanh, norm 4) and 0.32 (sigmoid, norm 8) from the limit, hardly "
        "less than at 128."
    )


def scaled_digits(n: int, norm: float) -> Float[Tensor, "n 1 8 8"]:
    """Digits, each with this root mean square, in float64."""
    X = load_data("digits", n=n).double()
    return X * (norm / X.square().mean((1, 2, 3), keepdim=True).sqrt())


def _trained(
    spec: FullyConnected,
    X: Tensor,
    limit: Float[Tensor, " n"],
    largest: float,
    seeds: Sequence[int],
    device: str,
) -> list[dict[str, object]]:
    """A row for each seed: how far its spectral radii are from the limit's."""
    first = [spec.build(seed=seed, device=device) for seed in seeds]
    states = X.to(device, torch.float32)
    begun = torch.stack([SelfMap(net)(states) for net in first])
    fits = train_replicas(
        spec,
        states.expand(len(seeds), *states.shape),
        TrainingOptions(
            tol=CONVERGED * float(X.square().mean()),
            optimizer="gradient_descent",
            momentum=0,
            lr=X.numel() / (2 * largest),
            schedule="constant",
            max_steps=MOST_STEPS,
        ),
        seeds=seeds,
        targets=states + begun,
        device=device,
    )
    decided = (limit - 1).abs() > MARGIN
    rows = []
    for r, (seed, start, net) in enumerate(zip(seeds, first, fits, strict=True)):
        radii = torch.full_like(limit, torch.nan)
        if not bool(fits.diverged[r]):
            radii = centred_radii(net, start, states)
        away = (radii - limit).abs()
        agreeing = ((radii < 1) == (limit < 1)) & decided
        low, high = wilson(agreeing.sum(), decided.sum())
        rows.append(
            {
                "seed": seed,
                "steps": int(fits.steps[r]),
                "loss": float(fits.loss[r]),
                "interpolated": bool(fits.converged[r]),
                "limit": float(limit.mean()),
                "radius": float(radii.mean()),
                "difference": float(away.mean()),
                "largest_difference": float(away.max()),
                "decided": int(decided.sum()),
                "agreeing": int(agreeing.sum()),
                "agreeing_low": float(low),
                "agreeing_high": float(high),
            }
        )
    return rows


def centred_radii(
    net: Network, first: Network, X: Float[Tensor, "n *shape"]
) -> Float[Tensor, " n"]:
    """The spectral radius of `f - f_0` at each state, in float64."""
    J, J0 = (SelfMap(each).linearize(X).dense().double().cpu() for each in (net, first))
    return torch.linalg.eigvals(J - J0).abs().amax(1)


def slope(widths: Sequence[float], differences: Sequence[float]) -> tuple[float, float]:
    """The slope of the log of the differences against that of the widths, and its standard error.

    By least squares; NaN for fewer than three points or a single width.

    Example:
        >>> round(slope([1, 4, 16], [1.0, 0.5, 0.25])[0], 6)
        -0.5
    """
    if len(widths) < 3 or len(set(widths)) < 2:
        return math.nan, math.nan
    x = torch.tensor(widths, dtype=torch.float64).log()
    y = torch.tensor(differences, dtype=torch.float64).log()
    x, y = x - x.mean(), y - y.mean()
    found = x @ y / (x @ x)
    error = ((y - found * x).square().sum() / (len(x) - 2) / (x @ x)).sqrt()
    return float(found), float(error)


def _falling(activation: str, runs: pl.DataFrame) -> Check:
    """Whether the difference falls with width by more than the uncertainty of its slope."""
    ends = []
    for _, group in runs.group_by("depth", "norm", maintain_order=True):
        found, error = slope(group["width"].to_list(), group["difference"].to_list())
        ends.append(found + Z95 * error)
    ends = [end for end in ends if not math.isnan(end)]
    return at_most(
        f"slope of log |rho - limit| against log width + 1.96 standard errors, {activation}",
        bound=0.0,
        measured=max(ends, default=math.nan),
        runs=runs.height if ends else 0,
    )


def _from_narrowest_to_widest(runs: pl.DataFrame) -> Check:
    """The mean difference at the largest width over that at the smallest, where it is largest."""
    ratios = []
    for _, group in runs.group_by("activation", "depth", "norm", maintain_order=True):
        means = group.group_by("width").agg(pl.col("difference").mean()).sort("width")
        if means.height > 1:
            ratios.append(means["difference"][-1] / means["difference"][0])
    return at_most(
        "mean |rho - limit| at the largest width over that at the smallest, the largest ratio",
        bound=1.0,
        measured=max(ratios, default=math.nan),
        runs=runs.height if ratios else 0,
    )


def _agreement(runs: pl.DataFrame) -> Check:
    decided, agreeing = int(runs["decided"].sum()), int(runs["agreeing"].sum())
    return at_least(
        f"share of examples stored or not as predicted, limits within {MARGIN} of 1 left out",
        bound=AGREEING,
        measured=agreeing / decided if decided else math.nan,
        runs=runs.height if decided else 0,
    )


def figure(runs: pl.DataFrame) -> ChartType:
    """How far spectral radii are from the limit's, against width."""
    base = alt.Chart(chart_data(runs.filter("interpolated"))).encode(
        x=alt.X("width:Q", scale=alt.Scale(type="log", base=2), title="width"),
        color=alt.Color("activation:N"),
    )
    y = alt.Y(
        "difference:Q",
        scale=alt.Scale(type="log"),
        title="|spectral radius - limit|, mean over examples",
    )
    points = base.mark_point(opacity=0.45, size=25).encode(
        y=y, tooltip=["activation:N", "width:Q", "seed:Q", "radius:Q", "limit:Q"]
    )
    lines = base.mark_line().encode(y=alt.Y("mean(difference):Q"))
    return (
        (points + lines)
        .properties(width=260, height=240)
        .facet(column=alt.Column("norm:N", title="norm"), row=alt.Row("depth:N", title="depth"))
        .configure(**theme())
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
        "Theory gives how the difference falls, about as width^(-1/2), not how large it is: the "
        "slope in the logarithms must lie below 0 by more than 1.96 standard errors, and at the "
        "largest width the difference must be smaller than at the smallest. A limit within 0.1 of "
        "1, which is what networks of these widths stray by, predicts nothing; of the others 19 in "
        "20 must be stored, or not, as predicted."
    ),
    experiment=experiment,
    figure=figure,
)
