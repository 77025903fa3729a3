"""One linear layer converges to the projection on the span of its examples."""

from collections.abc import Iterator, Sequence
from functools import partial

import polars as pl
import torch

from mnemoscope.claims import Check, Claim, Row, Scale, Setting, Trained, all_near_zero, rows_of
from mnemoscope.data import load_data
from mnemoscope.nets import FullyConnected
from mnemoscope.plots import Axis, Figure
from mnemoscope.theory import gradient_path, span_projection

LIMIT_TOLERANCE = 1e-6
PATH_TOLERANCE = 1e-9

CONVERGED = 1e-17
"""The loss that counts as interpolation here. The last direction to be learned has singular value
`s`, and an error of `e` along it costs a loss of `s^2 e^2 / (n d)`, about `0.01 e^2` here."""

TIMES = 10
"""Steps along training at which the path is checked."""

MOST_STEPS = 200_000

LONG = [("digits", 10), ("digits", 40), ("photos", 5), ("photos", 20)]


def run(scale: Scale) -> pl.DataFrame:
    """Runs gradient descent from random and from zero weights, on digits and photographs."""
    seeds = scale.range(3, 20, 50)
    cases = scale.choose([("digits", 5)], [("digits", 10), ("photos", 5)], LONG)
    starts = (("default", seeds), ("zeros", range(scale.seed, scale.seed + 1)))
    return pl.concat(
        path(data, n, init, own, scale.device) for data, n in cases for init, own in starts
    )


def path(data: str, n: int, init: str, seeds: Sequence[int], device: str) -> pl.DataFrame:
    """Measures the distance of the weights to theory's, a row for each time and seed."""
    X = load_data(data, n=n, size=8 if data == "photos" else None)
    spec = FullyConnected(shape=X.shape[1:], depth=1, activation="identity", bias=False, init=init)
    rows = X.flatten(1).double()
    lr = 0.9 * rows.numel() / float(torch.linalg.svdvals(rows)[0]) ** 2

    def until(max_steps: int, rate: float | None) -> pl.DataFrame:
        setting = Setting(
            spec,
            X,
            seeds,
            levels={"data": data},
            training={
                "tol": CONVERGED,
                "optimizer": "gradient_descent",
                "momentum": 0,
                "lr": lr,
                "schedule": "constant",
                "max_steps": max_steps,
                "dtype": "float64",
            },
            measure=(partial(distance, lr=rate),),
        )
        return rows_of([setting], device=device)

    final = until(MOST_STEPS, None)
    last = int(final["steps"].to_numpy().max())
    times = sorted({round(last ** (i / TIMES)) for i in range(TIMES)} - {last})
    along = [until(time, lr).with_columns(step=pl.lit(time, pl.Int64)) for time in times]
    runs = pl.concat([*along, final.with_columns(step=pl.lit(last, pl.Int64))])
    # A run counts along the way if it interpolates at the end.
    end = final["interpolated"].to_list() * (len(times) + 1)
    return runs.with_columns(pl.Series("interpolated", end), last_step=pl.lit(last, pl.Int64))


def distance(trained: Trained, *, lr: float | None) -> Iterator[Row]:
    """Measures the relative distance to the closed form: at the end, or with `lr` on the way."""
    spec, rows = trained.replicas.spec, trained.X[0].cpu().flatten(1)
    weights, steps = trained.replicas.parameters[0].cpu(), trained.replicas.steps.tolist()
    for A, seed, done in zip(weights, trained.seeds, steps, strict=True):
        A0 = next(spec.build(seed=seed, dtype=torch.float64).parameters()).detach()
        theory = (
            span_projection(rows, A0) if lr is None else gradient_path(rows, A0, lr=lr, steps=done)
        )
        yield {"relative_error": float((A - theory).norm() / theory.norm())}


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares the weights with the closed form at the end and along training."""
    ended = runs.filter(pl.col("step") == pl.col("last_step"), pl.col("interpolated"))
    drawn, zero = (ended.filter(pl.col("init") == name) for name in ("default", "zeros"))
    way = runs.filter(pl.col("step") < pl.col("last_step"))
    times = f"relative distance to the closed form at {TIMES} times along training"
    for what, those, tolerance in (
        ("relative distance to P + A0 (1 - P), from random weights", drawn, LIMIT_TOLERANCE),
        ("relative distance to P, from zero", zero, LIMIT_TOLERANCE),
        (times, way, PATH_TOLERANCE),
    ):
        yield all_near_zero(what, those, "relative_error", tolerance=tolerance)


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the relative error along training."""
    return (
        Figure(
            runs,
            Axis("step", "step", "log"),
            Axis("relative_error", "relative distance to the closed form", "log", format=".0e"),
            by="init",
            line="values",
            detail="seed",
            column="data",
            titles={"init": "first weights"},
            tooltip=("seed",),
            width=280,
        ),
    )


CLAIM = Claim(
    number=1,
    name="projection",
    statement=(
        "Gradient descent on one linear layer converges to the projection on the span of the "
        "examples, plus the first weights on its complement."
    ),
    source="arXiv 1810.10333, one layer; closed form: mnemoscope.theory.gradient_path",
    tolerance=(
        "1e-6 relative at the end, since training stops at a loss of 1e-17, at which the "
        "direction learned last has an error of about 1e-7; 1e-9 along the way, where the "
        "only error is float64's rounding over the steps."
    ),
    run=run,
    checks=checks,
    figures=figures,
    seconds=30,
)
