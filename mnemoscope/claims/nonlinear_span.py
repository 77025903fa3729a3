"""One layer with an activation ends on the nonlinear span of its examples.

For `f(z) = phi(A z)` with an invertible `phi` gradient descent ends at

    A = phi^-1(X) X^+ + A_0 (1 - P)

(examples as columns, `P` the projection on their span; Radhakrishnan, Yang, Belkin, Uhler,
arXiv 1810.10333). So for `A_0 = 0` all outputs lie in `phi(span phi^-1(X))`, and `A` vanishes on
the complement of the span and has the rank of `X`.

With the rate `n d / (2 (s phi')^2)`, `s` the largest singular value of `X` and `phi'` the largest
slope, nothing overshoots. The slowest direction then takes about as many steps as the ratio of the
largest to the smallest `(s phi')^2`, times 20: 1e3 for leaky_relu on five digits, 1e5 for softplus,
1e6 for softplus on photographs. (Momentum is no way out: it throws units of sigmoid and tanh
where they are saturated and learn no more.) So gradient descent goes all the way on few digits
only. On the others it goes to a loss of 1e-4, and Gauss-Newton from there: a step of it is
`J^T (J J^T + mu)^-1 r`, so like a gradient a sum of `u x_i^T`. It leaves the complement alone too,
and where that is given there is but one `A` of zero loss.
"""

from collections.abc import Sequence

import altair as alt
import polars as pl
import torch
from altair.typing import ChartType
from jaxtyping import Float
from torch import Tensor

from mnemoscope.claims.checks import all_near_zero, at_most
from mnemoscope.claims.claim import Claim, Evidence
from mnemoscope.claims.scale import Scale
from mnemoscope.data import load_data
from mnemoscope.dynamics import Starts
from mnemoscope.dynamics.starts import Range
from mnemoscope.dynamics.states import rms
from mnemoscope.linalg import distance_to_span, effective_rank
from mnemoscope.nets import FullyConnected
from mnemoscope.nets.activations import activation_function
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import theme
from mnemoscope.theory import inverse_activation, nonlinear_solution, span_projection
from mnemoscope.training import TrainingOptions, train_replicas

STEEPEST = {"sigmoid": 0.25, "tanh": 1.0, "leaky_relu": 1.0, "softplus": 1.0, "elu": 1.0}
"""The activations, and the largest slope of each."""

LIMIT_TOLERANCE = 1e-5
COMPLEMENT_TOLERANCE = 1e-9

CONVERGED = 1e-16
"""The loss that counts as interpolation here. It leaves `A` off by `(n d loss)^(1/2) / (s phi')` at
most, 2e-6 of its norm with the smallest singular values and slopes of these data."""

MOST_STEPS = 1_000_000

FRESH = 1000
"""Inputs on which outputs are held against the nonlinear span."""

QUICK = [("digits", 5, True)]
DEFAULT = [("digits", 5, False), ("digits", 10, True), ("photos", 5, True)]
LONG = [*DEFAULT, ("digits", 40, True), ("photos", 20, True)]
"""Pictures, how many, and whether Gauss-Newton brings training to its end."""


def experiment(scale: Scale) -> Evidence:
    """Gradient descent from random first weights and from zero, on digits and photographs."""
    seeds = list(scale.range(2, 3, 50))
    rows = []
    for data, n, polish in scale.choose(QUICK, DEFAULT, LONG):
        X = examples(data, n)
        for activation in STEEPEST:
            for init, own in (("default", seeds), ("zeros", seeds[:1])):
                found = _trained(X, activation, init, own, polish, scale.device)
                rows += [{"data": data, **row} for row in found]
    runs = pl.DataFrame(rows)
    ended = runs.filter("interpolated")
    zero = ended.filter(pl.col("init") == "zeros")
    errors = [
        all_near_zero(
            f"|A - its closed form|, relative, {activation}",
            ended.filter(pl.col("activation") == activation),
            "relative_error",
            tolerance=LIMIT_TOLERANCE,
        )
        for activation in STEEPEST
    ]
    off = zero.select((pl.col("rank") - pl.col("rank_of_examples")).abs().max())
    checks = (
        *errors,
        all_near_zero(
            f"distance of {FRESH:,} outputs to the nonlinear span, relative, from zero",
            zero,
            "span_distance",
            tolerance=LIMIT_TOLERANCE,
        ),
        all_near_zero(
            "|(A - A0) (1 - P)| / |A|: on the complement",
            ended,
            "complement",
            tolerance=COMPLEMENT_TOLERANCE,
        ),
        at_most(
            "|rank A - rank X|, from zero",
            bound=0.0,
            measured=float(off.item()) if zero.height else float("nan"),
            runs=zero.height,
        ),
    )
    return Evidence(checks, runs)


def examples(data: str, n: int) -> Float[Tensor, "n *shape"]:
    """Pictures brought into [0.1, 0.9], which is inside the range of every activation."""
    return 0.1 + 0.8 * load_data(data, n=n, size=8).double()


def _trained(
    X: Tensor, activation: str, init: str, seeds: Sequence[int], polish: bool, device: str
) -> list[dict[str, object]]:
    """A row for each seed: how far its weights are from theory's."""
    spec = FullyConnected(
        shape=tuple(X.shape[1:]), depth=1, activation=activation, bias=False, init=init
    )
    rows = X.flatten(1)
    steepest = float(torch.linalg.matrix_norm(rows, 2)) * STEEPEST[activation]
    first = [
        next(spec.build(seed=seed, dtype=torch.float64).parameters()).detach() for seed in seeds
    ]
    fits = train_replicas(
        spec,
        X,
        TrainingOptions(
            tol=CONVERGED,
            optimizer="gradient_descent",
            momentum=0,
            lr=rows.numel() / (2 * steepest**2),
            schedule="constant",
            max_steps=MOST_STEPS,
            finish="gauss_newton" if polish else "none",
            dtype="float64",
        ),
        seeds=seeds,
        device=device,
    )
    fresh = next(
        Starts("uniform", FRESH, Range.of(X), seed=seeds[0]).blocks(
            spec.shape, dtype=torch.float64, device=torch.device("cpu")
        )
    ).flatten(1)
    P = span_projection(rows)
    found = []
    for r, (seed, A0) in enumerate(zip(seeds, first, strict=True)):
        A = fits.parameters[0][r].cpu()
        theory = nonlinear_solution(rows, activation, A0)
        away = (A - A0) - (A - A0) @ P
        found.append(
            {
                "n": len(X),
                "activation": activation,
                "init": init,
                "seed": seed,
                "finish": "Gauss-Newton" if polish else "gradient descent",
                "steps": int(fits.steps[r]),
                "loss": float(fits.loss[r]),
                "interpolated": bool(fits.converged[r]),
                "relative_error": float((A - theory).norm() / theory.norm()),
                "complement": float(away.norm() / A.norm()),
                "rank": effective_rank(A, threshold=COMPLEMENT_TOLERANCE).count,
                "rank_of_examples": effective_rank(rows, threshold=COMPLEMENT_TOLERANCE).count,
                "span_distance": (
                    span_distance(A, activation, fresh, rows) if init == "zeros" else None
                ),
            }
        )
    return found


def span_distance(
    A: Float[Tensor, "d d"],
    activation: str,
    Z: Float[Tensor, "m d"],
    X: Float[Tensor, "n d"],
) -> float:
    """How far outputs of `phi(A z)` are from `phi(span phi^-1(X))`, relative, at most.

    Measured where the span is linear: from `phi^-1` of the output to `span phi^-1(X)`.
    """
    outputs = activation_function(activation)(Z @ A.T)
    back = inverse_activation(activation, outputs)
    distance = distance_to_span(back, inverse_activation(activation, X))
    return float((distance / rms(back)).max())


def figure(runs: pl.DataFrame) -> ChartType:
    """The relative distance to the closed form, for each activation."""
    told = pl.format("{} {}, {}", "n", "data", "finish").alias("pictures")
    base = alt.Chart(chart_data(runs.with_columns(told)))
    points = base.mark_point(filled=True, opacity=0.7).encode(
        x=alt.X(
            "relative_error:Q",
            scale=alt.Scale(type="log"),
            title="relative distance of A to the closed form",
            axis=alt.Axis(format=".0e"),
        ),
        y=alt.Y("activation:N", title=None),
        yOffset=alt.YOffset("init:N"),
        color=alt.Color("init:N", title="first weights"),
        shape=alt.Shape("interpolated:N", title="interpolated"),
        tooltip=["data:N", "n:Q", "seed:Q", "steps:Q", "loss:Q"],
    )
    limit = base.mark_rule(strokeDash=[4, 3], opacity=0.5).encode(x=alt.datum(LIMIT_TOLERANCE))
    return (
        (points + limit)
        .properties(width=280, height=alt.Step(14))
        .facet(column=alt.Column("pictures:N", title=None))
        .configure(**theme())
    )


CLAIM = Claim(
    number=2,
    name="nonlinear-span",
    statement=(
        "One layer with an invertible activation ends on the nonlinear span of its examples: from "
        "zero, every output lies in it, and the layer has the rank of the examples."
    ),
    source="arXiv 1810.10333, one layer; closed form: mnemoscope.theory.nonlinear_solution",
    tolerance=(
        "1e-5 relative for the weights, since training stops at a loss of 1e-16, which leaves them "
        "off by 2e-6 at most; the same for the outputs, whose distance is that of the weights but "
        "for the part of it within the span; 1e-9 on the complement, where nothing but float64's "
        "rounding over the steps comes in, and as the threshold of the ranks, which are to agree "
        "exactly."
    ),
    experiment=experiment,
    figure=figure,
)
