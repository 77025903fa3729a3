"""One linear layer ends at the projection on the span of its examples."""

import altair as alt
import polars as pl
import torch
from altair.typing import ChartType
from torch import Tensor

from mnemoscope.claims.checks import all_near_zero
from mnemoscope.claims.claim import Claim, Evidence
from mnemoscope.claims.scale import Scale
from mnemoscope.data import load_data
from mnemoscope.nets import FullyConnected
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import theme
from mnemoscope.theory import gradient_path, span_projection
from mnemoscope.training import Replicas, TrainingOptions, train_replicas

LIMIT_TOLERANCE = 1e-6
PATH_TOLERANCE = 1e-9

CONVERGED = 1e-17
"""The loss that counts as interpolation here. The last direction to be learned has singular value
`s`, and an error of `e` along it costs a loss of `s^2 e^2 / (n d)`, about `0.01 e^2` here."""

TIMES = 10
"""Steps along training at which the path is checked."""

MOST_STEPS = 200_000


def experiment(scale: Scale) -> Evidence:
    """Gradient descent from random first weights and from zero, on digits and photographs."""
    seeds = scale.range(3, 20, 100)
    rows = []
    for data, n in scale.choose([("digits", 5)], [("digits", 10), ("photos", 5)], LONG):
        X = load_data(data, n=n, size=8 if data == "photos" else None)
        for init, own in (("default", seeds), ("zeros", range(scale.seed, scale.seed + 1))):
            rows += _trained(data, X, init, list(own), scale.device)
    runs = pl.DataFrame(rows)
    ended = runs.filter(pl.col("step") == pl.col("last_step"), pl.col("interpolated"))
    way = runs.filter(pl.col("step") < pl.col("last_step"))
    drawn, zero = (ended.filter(pl.col("init") == name) for name in ("default", "zeros"))
    checks = (
        all_near_zero(
            "relative distance to P + A0 (1 - P), from random weights",
            drawn,
            "relative_error",
            tolerance=LIMIT_TOLERANCE,
        ),
        all_near_zero(
            "relative distance to P, from zero", zero, "relative_error", tolerance=LIMIT_TOLERANCE
        ),
        all_near_zero(
            f"relative distance to the closed form at {TIMES} times along training",
            way,
            "relative_error",
            tolerance=PATH_TOLERANCE,
        ),
    )
    return Evidence(checks, runs)


LONG = [("digits", 10), ("digits", 40), ("photos", 5), ("photos", 20)]


def _trained(
    data: str, X: Tensor, init: str, seeds: list[int], device: str
) -> list[dict[str, object]]:
    """A row for each seed and time: how far the weights are from theory's."""
    spec = FullyConnected(
        shape=tuple(X.shape[1:]), depth=1, activation="identity", bias=False, init=init
    )
    rows = X.flatten(1).double()
    s = torch.linalg.svdvals(rows)
    lr = 0.9 * rows.numel() / float(s[0]) ** 2
    first = [
        next(spec.build(seed=seed, dtype=torch.float64).parameters()).detach() for seed in seeds
    ]

    def weights(max_steps: int) -> "Replicas":
        return train_replicas(
            spec,
            X,
            TrainingOptions(
                tol=CONVERGED,
                optimizer="gradient_descent",
                momentum=0,
                lr=lr,
                schedule="constant",
                max_steps=max_steps,
                dtype="float64",
            ),
            seeds=seeds,
            device=device,
        )

    final = weights(MOST_STEPS)
    last = int(final.steps.max())
    times = sorted({round(last ** (i / TIMES)) for i in range(TIMES)} - {last})
    found = []
    for time in [*times, None]:
        fits = final if time is None else weights(time)
        for r, (seed, A0) in enumerate(zip(seeds, first, strict=True)):
            A = fits.parameters[0][r].cpu()
            steps = int(fits.steps[r])
            theory = (
                span_projection(rows, A0)
                if time is None
                else gradient_path(rows, A0, lr=lr, steps=steps)
            )
            found.append(
                {
                    "data": data,
                    "n": len(X),
                    "init": init,
                    "seed": seed,
                    "step": last if time is None else time,
                    "last_step": last,
                    "loss": float(fits.loss[r]),
                    "interpolated": bool(final.converged[r]),
                    "relative_error": float((A - theory).norm() / theory.norm()),
                }
            )
    return found


def figure(runs: pl.DataFrame) -> ChartType:
    """The relative error along training."""
    return (
        alt.Chart(chart_data(runs))
        .mark_line(point=True, opacity=0.6)
        .encode(
            x=alt.X("step:Q", scale=alt.Scale(type="log"), title="step"),
            y=alt.Y(
                "relative_error:Q",
                scale=alt.Scale(type="log"),
                title="relative distance to the closed form",
                axis=alt.Axis(format=".0e"),
            ),
            color=alt.Color("init:N", title="first weights"),
            detail="seed:N",
            column=alt.Column("data:N", title=None),
        )
        .properties(width=280, height=220)
        .configure(**theme())
    )


CLAIM = Claim(
    number=1,
    name="projection",
    statement=(
        "Gradient descent on one linear layer ends at the projection on the span of the examples, "
        "plus what the first weights do on its complement."
    ),
    source="arXiv 1810.10333, one layer; closed form: mnemoscope.theory.gradient_path",
    tolerance=(
        "1e-6 relative at the end, since training stops at a loss of 1e-17, with which the "
        "direction learned last may be off by 1e-7 or so; 1e-9 along the way, where nothing but "
        "float64's rounding over the steps comes between."
    ),
    experiment=experiment,
    figure=figure,
)
