"""One layer with an activation converges to the nonlinear span of its examples.

For `f(z) = phi(A z)` with an invertible `phi` gradient descent converges to

    A = phi^-1(X) X^+ + A_0 (1 - P)

(examples as columns, `P` the projection on their span; Radhakrishnan, Yang, Belkin, Uhler,
arXiv 1810.10333). So for `A_0 = 0` all outputs lie in `phi(span phi^-1(X))`, and `A` vanishes on
the complement of the span and has the rank of `X`.

With the rate `n d / (2 (s phi')^2)`, `s` the largest singular value of `X` and `phi'` the largest
slope, nothing overshoots. The slowest direction then takes about as many steps as the ratio of the
largest to the smallest `(s phi')^2`, times 20: 1e3 for leaky_relu on five digits, 1e5 for softplus,
1e6 for softplus on photographs. (Momentum does not help: it drives units of sigmoid and
tanh into saturation, where they stop learning.) So only few digits are trained by gradient descent
to the end. Others are trained to a loss of 1e-4, then by Gauss-Newton, whose step
`J^T (J J^T + mu)^-1 r` is, like a gradient, a sum of `u x_i^T`. It does not change `A` on the
complement either, and given that there is only one `A` of zero loss.
"""

import math
from collections.abc import Iterator

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.claims import Check, Claim, Row, Scale, Setting, Trained, all_near_zero, at_most
from mnemoscope.data import load_data
from mnemoscope.dynamics import Starts
from mnemoscope.dynamics.starts import Range
from mnemoscope.dynamics.states import rms
from mnemoscope.linalg import distance_to_span, effective_rank
from mnemoscope.nets import FullyConnected
from mnemoscope.nets.activations import activation_function
from mnemoscope.plots import Axis, Figure, Reference
from mnemoscope.theory import inverse_activation, nonlinear_solution, span_projection

STEEPEST = {"sigmoid": 0.25, "tanh": 1.0, "leaky_relu": 1.0, "softplus": 1.0, "elu": 1.0}
"""The activations, and the largest slope of each."""

LIMIT_TOLERANCE = 1e-5
COMPLEMENT_TOLERANCE = 1e-9

CONVERGED = 1e-16
"""The loss that counts as interpolation here. It leaves `A` off by `(n d loss)^(1/2) / (s phi')` at
most, 2e-6 of its norm with the smallest singular values and slopes of these data."""

MOST_STEPS = 1_000_000

FRESH = 1000
"""Inputs whose outputs are compared with the nonlinear span."""

QUICK = [("digits", 5, True)]
DEFAULT = [("digits", 5, False), ("digits", 10, True), ("photos", 5, True)]
LONG = [*DEFAULT, ("digits", 40, True), ("photos", 20, True)]
"""Pictures, how many, and whether Gauss-Newton brings training to its end."""

LONG_ONLY = ("photos", "softplus")
"""Takes a third of the claim's time by default, so that it is left to `long`."""


def design(scale: Scale) -> Iterator[Setting]:
    """Yields gradient descent from random and from zero weights, on digits and photographs."""
    seeds = scale.range(2, 3, 10)
    for data, n, polish in scale.choose(QUICK, DEFAULT, LONG):
        X = examples(data, n)
        norm = float(torch.linalg.matrix_norm(X.flatten(1), 2))
        for activation, slope in STEEPEST.items():
            if (data, activation) == LONG_ONLY and scale.effort != "long":
                continue
            for init, own in (("default", seeds), ("zeros", seeds[:1])):
                yield Setting(
                    FullyConnected(
                        shape=X.shape[1:], depth=1, activation=activation, bias=False, init=init
                    ),
                    X,
                    own,
                    levels={
                        "data": data,
                        "finish": "Gauss-Newton" if polish else "gradient descent",
                    },
                    training={
                        "tol": CONVERGED,
                        "optimizer": "gradient_descent",
                        "momentum": 0,
                        "lr": X.numel() / (2 * (norm * slope) ** 2),
                        "schedule": "constant",
                        "max_steps": MOST_STEPS,
                        "finish": "gauss_newton" if polish else "none",
                        "dtype": "float64",
                    },
                    measure=(distances,),
                )


def examples(data: str, n: int) -> Float[Tensor, "n *shape"]:
    """Returns pictures scaled into [0.1, 0.9], which is inside the range of every activation."""
    return 0.1 + 0.8 * load_data(data, n=n, size=8).double()


def distances(trained: Trained) -> Iterator[Row]:
    """Measures how far the weights, and their outputs, are from theory's."""
    spec, X = trained.replicas.spec, trained.X[0].cpu()
    assert isinstance(spec, FullyConnected)
    starts = Starts("uniform", FRESH, Range.of(X), seed=trained.seeds[0])
    blocks = starts.blocks(spec.shape, dtype=torch.float64, device=torch.device("cpu"))
    fresh, rows = next(blocks).flatten(1), X.flatten(1)
    P = span_projection(rows)
    for seed, weights in zip(trained.seeds, trained.replicas.parameters[0].cpu(), strict=True):
        A, A0 = weights, next(spec.build(seed=seed, dtype=torch.float64).parameters()).detach()
        theory = nonlinear_solution(rows, spec.activation, A0)
        away = (A - A0) - (A - A0) @ P
        zero = spec.init == "zeros"
        yield {
            "relative_error": float((A - theory).norm() / theory.norm()),
            "complement": float(away.norm() / A.norm()),
            "rank": effective_rank(A, threshold=COMPLEMENT_TOLERANCE).count,
            "rank_of_examples": effective_rank(rows, threshold=COMPLEMENT_TOLERANCE).count,
            "span_distance": span_distance(A, spec.activation, fresh, rows) if zero else None,
        }


def span_distance(
    A: Float[Tensor, "d d"],
    activation: str,
    Z: Float[Tensor, "m d"],
    X: Float[Tensor, "n d"],
) -> float:
    """Computes the largest relative distance of outputs of `phi(A z)` to `phi(span phi^-1(X))`.

    Measured where the span is linear: from `phi^-1` of the output to `span phi^-1(X)`.
    """
    back = inverse_activation(activation, activation_function(activation)(Z @ A.T))
    distance = distance_to_span(back, inverse_activation(activation, X))
    return float((distance / rms(back)).max())


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares weights with the closed form, outputs with the nonlinear span, and ranks."""
    ended = runs.filter("interpolated")
    zero = ended.filter(pl.col("init") == "zeros")
    for activation in STEEPEST:
        yield all_near_zero(
            f"|A - its closed form|, relative, {activation}",
            ended.filter(pl.col("activation") == activation),
            "relative_error",
            tolerance=LIMIT_TOLERANCE,
        )
    yield all_near_zero(
        f"distance of {FRESH:,} outputs to the nonlinear span, relative, from zero",
        zero,
        "span_distance",
        tolerance=LIMIT_TOLERANCE,
    )
    yield all_near_zero(
        "|(A - A0) (1 - P)| / |A|: on the complement",
        ended,
        "complement",
        tolerance=COMPLEMENT_TOLERANCE,
    )
    off = zero.select((pl.col("rank") - pl.col("rank_of_examples")).abs().max()).item()
    yield at_most(
        "|rank A - rank X|, from zero",
        bound=0.0,
        measured=float(off) if zero.height else math.nan,
        runs=zero.height,
    )


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the relative distance to the closed form, for each activation."""
    pictures = pl.format("{} {}, {}", "n", "data", "finish")
    return (
        Figure(
            runs.with_columns(pictures=pictures),
            Axis(
                "relative_error", "relative distance of A to the closed form", "log", format=".0e"
            ),
            Axis("activation", "", "category"),
            by="init",
            shape="interpolated",
            offset="init",
            column="pictures",
            theory=Reference(x=LIMIT_TOLERANCE),
            titles={"init": "first weights", "interpolated": "interpolated"},
            tooltip=("seed", "steps", "loss"),
            width=280,
            height=160,
        ),
    )


CLAIM = Claim(
    number=2,
    name="nonlinear-span",
    statement=(
        "One layer with an invertible activation converges to the nonlinear span of its examples: "
        "from zero, every output lies in it, and the layer has the rank of the examples."
    ),
    source="arXiv 1810.10333, one layer; closed form: mnemoscope.theory.nonlinear_solution",
    tolerance=(
        "1e-5 relative for the weights, since training stops at a loss of 1e-16, at which their "
        "error is at most 2e-6; the same for the outputs, whose error is that of the weights "
        "outside of the span; 1e-9 on the complement, where the only error is float64's rounding "
        "over the steps, and as the threshold of the ranks, which must agree exactly."
    ),
    design=design,
    columns={"span_distance": pl.Float64()},
    checks=checks,
    figures=figures,
    seconds=80,
)
