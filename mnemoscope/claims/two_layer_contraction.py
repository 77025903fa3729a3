"""Two layers, one example: how strongly it attracts follows from the first weights.

For `f(z) = A phi(B z)`, `|x| = 1`, `A_0 = x a^T` and `B_0 = b x^T` gradient flow keeps this form
and `a_i^2 / 2 - int phi/phi' db_i` for each unit, and ends at `sum_i a_i phi(b_i) = 1`. There the
Jacobian at `x` has one eigenvalue that is not zero, `sum_i a_i b_i phi'(b_i)`; for equal units it
is `b phi'(b) / phi(b)` (Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333).

Gradient descent on the mean squared error over `d` entries moves `a` and `b` as Euler's method of
step `eta = 2 lr / d` does on that flow: its end is off by a multiple of `eta`, so smaller steps
bring it nearer.
"""

import math
from collections.abc import Iterator

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.claims import Check, Claim, Row, Scale, at_most, each_value, near
from mnemoscope.data import load_data
from mnemoscope.linalg import jacobian_eigenvalues
from mnemoscope.nets import FullyConnected
from mnemoscope.plots import Axis, Figure, Reference
from mnemoscope.theory import two_layer_eigenvalue
from mnemoscope.training import TrainingOptions, train

ACTIVATIONS = ("sigmoid", "tanh", "softplus", "silu", "gelu", "relu", "leaky_relu", "sin")

UNITS = 50
"""Hidden units. Many, so that each has to move little."""

STEPS = (1e-2, 5e-3, 2.5e-3)
"""The steps `eta`, each half of the one before."""

TOLERANCE = 1e-3

SHRINKING = 0.6
"""Largest ratio of the differences at half the step and at the whole: a method of first order
leaves a half and a little, of the order of the step."""

ROUNDING = 1e-8
"""A difference below this has nothing to do with the step: training stops at a loss that leaves the
eigenvalue off by about 1e-10."""

CONVERGED = 1e-22
"""The loss that counts as interpolation here: `1 - sum_i a_i phi(b_i)` is then below 1e-10."""

MOST_STEPS = 100_000

NOTE = (
    "By this very theory silu and gelu, which bend upwards where they start, have an eigenvalue "
    "above 1, and relu and leaky_relu one of exactly 1: with these the example is no attractor."
)


def run(scale: Scale) -> pl.DataFrame:
    """Trains each activation from equal and from unequal units, at three steps."""
    rows = []
    for seed in scale.range(1, 3, 10):
        x = load_data("digits", n=1, offset=seed)[0].double()
        x = x / x.norm()
        for activation in ACTIVATIONS:
            for units in ("equal", "unequal"):
                a0, b0 = first_weights(units, seed)
                predicted = two_layer_eigenvalue(activation, a0, b0)
                for step in scale.choose(STEPS[1:], STEPS, STEPS):
                    levels = {"activation": activation, "units": units, "seed": seed, "step": step}
                    found = _trained(activation, x, a0, b0, step, scale.device)
                    rows.append({**levels, "predicted": predicted, **found})
    return pl.DataFrame(rows).with_columns(
        (pl.col("measured") - pl.col("predicted")).abs().alias("difference")
    )


def first_weights(units: str, seed: int) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Returns the outer and the inner weights of all units: all equal, or Gaussian ones."""
    if units == "equal":
        return torch.full((UNITS,), 0.001).double(), torch.full((UNITS,), 0.3).double()
    a, b = torch.randn(2, UNITS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 0.1 * a, 0.5 * b


def _trained(activation: str, x: Tensor, a0: Tensor, b0: Tensor, step: float, device: str) -> Row:
    spec = FullyConnected(shape=x.shape, width=UNITS, depth=2, activation=activation, bias=False)
    net = spec.build(dtype=torch.float64, device=device)
    inner, outer = net.parameters()
    with torch.no_grad():
        inner.copy_(torch.outer(b0, x.flatten()))
        outer.copy_(torch.outer(x.flatten(), a0))
    fit = train(
        net,
        x[None],
        TrainingOptions(
            tol=CONVERGED,
            optimizer="gradient_descent",
            momentum=0,
            lr=step * x.numel() / 2,
            schedule="constant",
            max_steps=MOST_STEPS,
        ),
    )
    return {
        # It may be negative, and is the only one that is not zero.
        "measured": float(jacobian_eigenvalues(net, x[None], k=1).values[0, 0].real),
        "loss": fit.loss,
        "steps": fit.steps,
        "interpolated": fit.converged,
    }


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares the eigenvalue with theory's, and how the difference shrinks with the step."""
    for activation, those in each_value(runs, "activation"):
        # The run that is furthest from its prediction.
        last = those.sort("difference", nulls_last=False).tail(1)
        predicted, measured = (
            float(last[name].item()) if last.height else math.nan
            for name in ("predicted", "measured")
        )
        yield near(
            f"eigenvalue at the example, {activation}",
            predicted=predicted,
            measured=measured,
            tolerance=TOLERANCE,
            runs=those.height,
        )
    ended = runs.filter("interpolated")
    ratios = shrinking(ended)
    yield at_most(
        "difference at the smallest step over that at twice the step, the largest",
        bound=SHRINKING,
        measured=max(ratios, default=math.nan),
        runs=ended.height if ratios else 0,
    )


def shrinking(runs: pl.DataFrame) -> list[float]:
    """Computes the difference at the smallest step over that at twice it, by activation and units.

    It is the mean over seeds; 0 where what is left is rounding. Groups that lack a run are left
    out.
    """
    steps = runs["step"].unique().sort().to_list()[:2]
    means = (
        runs.filter(pl.col("step").is_in(steps))
        .group_by("activation", "units", "step", maintain_order=True)
        .agg(pl.col("difference").mean(), pl.len())
    )
    found = []
    for _, group in means.group_by("activation", "units", maintain_order=True):
        by_step = {row["step"]: row for row in group.iter_rows(named=True)}
        if len(by_step) < 2 or len({row["len"] for row in by_step.values()}) > 1:
            continue
        small, large = (by_step[step]["difference"] for step in steps)
        found.append(0.0 if small < ROUNDING else small / large)
    return found


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes measured against predicted eigenvalues, and the difference against the step."""
    return (
        Figure(
            runs,
            Axis("predicted", "predicted eigenvalue"),
            Axis("measured", "measured"),
            by="activation",
            shape="units",
            theory=Reference(diagonal=True),
            tooltip=("step", "seed"),
        ),
        Figure(
            runs.with_columns(pl.col("difference").clip(1e-16)),
            Axis("step", "step", "log", ticks=STEPS, format="~g"),
            Axis("difference", "difference, mean over seeds", "log", format=".0e"),
            by="activation",
            shape="units",
            line="mean",
            tooltip=("seed",),
        ),
    )


CLAIM = Claim(
    number=3,
    name="two-layer-contraction",
    statement=(
        "Two layers trained on one example have one eigenvalue there, which follows from the first "
        "weights through what gradient flow keeps of each unit."
    ),
    source="arXiv 1810.10333, two layers; the end of the flow: mnemoscope.theory.two_layer_end",
    tolerance=(
        "1e-3 for the eigenvalue: gradient descent is Euler's method applied to the flow. Its "
        "error is proportional to the step, which is at most 1e-2, over a time of about 1/10. A "
        "first-order method halves the difference when the step is halved: the ratio may be 0.6, "
        "which leaves room for second-order terms, or the difference below 1e-8, where float64 "
        "and the end of training decide."
    ),
    run=run,
    checks=checks,
    note=lambda runs: NOTE,
    figures=figures,
    seconds=30,
)
