"""Downsampling stores examples at depths where the same network without it does not.

A linear network that interpolates has `A x = x` for its examples with and without downsampling.
It stores them if these eigenvalues 1 lead the spectrum: then every modulus beyond the first `n` is
below 1, the leading eigenspace is the span of the examples, and iterates end in it, at examples or
combinations of them. With strided convolutions and nearest-neighbour upsampling this is so at
depths where without them other eigenvalues are as large or larger. Each network with strides stands
beside one of the same depth and channels without, since depth alone stores too.

In nonlinear networks (leaky_relu) orbits end not at combinations but at single images.

Source: Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333, first version.
"""

import math
from collections.abc import Sequence

import altair as alt
import polars as pl
import torch
from altair.typing import ChartType

from mnemoscope.base.stats import wilson
from mnemoscope.claims.checks import at_least, at_most
from mnemoscope.claims.claim import Check, Claim, Evidence
from mnemoscope.claims.operators import angle_to_span, moduli, operator
from mnemoscope.claims.rates import share, with_rate
from mnemoscope.claims.scale import Scale
from mnemoscope.data import load_data
from mnemoscope.dynamics import find_attractors
from mnemoscope.dynamics.outcomes import count_outcomes
from mnemoscope.nets import Convolutional
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import COLOURS, theme
from mnemoscope.training import Fit, TrainingOptions, train_replicas

LINEAR_LOSS = 1e-12
"""The loss that counts as interpolation of linear networks: a residual of 1e-6 (RMS), so that
eigenvalues and angles are exact."""

ACCURATE = 1e-3
"""What eigenvalues and angles of a network that stores may be off: that residual is 1e-5 of an
image at the most, and an eigenvector multiplies it by its condition number over its gap, for which
a hundred is left."""

NONLINEAR_LOSS = 1e-6
"""The same of nonlinear networks: a residual of 1e-3 (RMS), a tenth of what an attractor may be
away from the example that it matches. They are trained by Adam up to the end, since Gauss-Newton's
last steps, which bring linear ones there, change where orbits end."""

EXCEPTIONS = 0.05
"""What may be missing of all, or found of none: what one in twenty escapes is no rule."""

SIZE = 8
"""Side of the digits."""

CHANNELS = 16

LEADING = 10
"""Eigenvalues that are told of each operator."""

ORBIT_STEPS = 200
"""An orbit that has not settled by then ends nowhere."""

RATE = 3e-3
"""Of Adam."""

MOST_STEPS = (4_000, 4_000, 20_000)
"""Steps after which a run has not interpolated: quick, by default, and with `--long`."""


def experiment(scale: Scale) -> Evidence:
    """Linear and nonlinear networks on digits, with strides and without at the same depth."""
    seeds = list(scale.range(2, 5, 20))
    starts = scale.choose(10, 50, 500)
    most = scale.choose(*MOST_STEPS)
    pairs = scale.choose([(6, 3)], [(4, 2), (6, 3)], [(4, 1), (4, 2), (6, 2), (6, 3), (8, 3)])
    rows = []
    for depth, strides in pairs:
        for downsample in (strides, 0):
            for n in scale.choose((2,), (1, 2), (1, 2, 5)):
                rows += _linear(depth, downsample, strides, n, seeds, most, scale.device)
            for n in scale.choose((2,), (2, 5), (1, 2, 5, 10)):
                rows += _nonlinear(depth, downsample, strides, n, seeds, most, starts, scale.device)
    runs = pl.DataFrame(rows, schema=SCHEMA)
    runs = with_rate(runs, "at_examples", "starts", "share")
    return Evidence(_checks(runs), runs, _note(runs))


SCHEMA = {
    "activation": pl.String, "depth": pl.Int64, "strides": pl.Int64, "downsample": pl.Int64,
    "n": pl.Int64, "seed": pl.Int64, "loss": pl.Float64, "steps": pl.Int64,
    "interpolated": pl.Boolean, "stores": pl.Boolean, "moduli": pl.List(pl.Float64),
    "leading_error": pl.Float64, "next_modulus": pl.Float64, "angle": pl.Float64,
    "starts": pl.Int64, "at_examples": pl.Int64, "spurious": pl.Int64, "not_settled": pl.Int64,
    "examples_reached": pl.Int64,
}  # fmt: skip
"""`strides` names the pair of networks, `downsample` which of the two it is: as many, or 0."""


def _spec(depth: int, downsample: int, activation: str) -> Convolutional:
    return Convolutional(
        shape=(1, SIZE, SIZE), channels=CHANNELS, depth=depth, activation=activation,
        bias=activation != "identity", downsample=downsample,
    )  # fmt: skip


def _row(spec: Convolutional, strides: int, n: int, seed: int, fit: Fit) -> dict[str, object]:
    return dict.fromkeys(SCHEMA) | {
        "activation": spec.activation, "depth": spec.depth, "strides": strides,
        "downsample": spec.downsample, "n": n, "seed": seed, "loss": fit.loss, "steps": fit.steps,
        "interpolated": fit.converged,
    }  # fmt: skip


def _linear(
    depth: int,
    downsample: int,
    strides: int,
    n: int,
    seeds: Sequence[int],
    most_steps: int,
    device: str,
) -> list[dict[str, object]]:
    """A row for each seed: the leading spectrum, and how its eigenspace lies to the span."""
    X = load_data("digits", n=n)
    spec = _spec(depth, downsample, "identity")
    replicas = train_replicas(
        spec,
        X,
        TrainingOptions(
            tol=LINEAR_LOSS, lr=RATE, max_steps=most_steps, finish="gauss_newton", dtype="float64"
        ),
        seeds=seeds,
        device=device,
    )
    found = []
    for seed, net, fit in zip(seeds, replicas, replicas.fits, strict=True):
        A = operator(net, spec.shape)
        spectrum, angle = moduli(A), angle_to_span(A, X)
        error, beyond = float((spectrum[:n] - 1).abs().max()), float(spectrum[n])
        found.append(
            _row(spec, strides, n, seed, fit)
            | {
                "moduli": spectrum[:LEADING].tolist(),
                "leading_error": error,
                "next_modulus": beyond,
                "angle": angle,
                "stores": error <= ACCURATE and beyond < 1 and angle <= ACCURATE,
            }
        )
    return found


def _nonlinear(
    depth: int,
    downsample: int,
    strides: int,
    n: int,
    seeds: Sequence[int],
    most_steps: int,
    starts: int,
    device: str,
) -> list[dict[str, object]]:
    """A row for each seed: where orbits from noise end."""
    X = load_data("digits", n=n).to(device)
    spec = _spec(depth, downsample, "leaky_relu")
    replicas = train_replicas(
        spec,
        X,
        TrainingOptions(tol=NONLINEAR_LOSS, lr=RATE, max_steps=most_steps),
        seeds=seeds,
        device=device,
    )
    found = []
    for seed, net, fit in zip(seeds, replicas, replicas.fits, strict=True):
        row = _row(spec, strides, n, seed, fit)
        if fit.converged:
            generator = torch.Generator().manual_seed(seed)
            noise = torch.rand(starts, *spec.shape, generator=generator).to(device)
            ended = count_outcomes(find_attractors(net, noise, X, max_steps=ORBIT_STEPS))
            row |= {name: value for name, value in vars(ended).items() if name in SCHEMA}
        found.append(row)
    return found


def _checks(runs: pl.DataFrame) -> tuple[Check, ...]:
    """Of each pair of networks, with strides and without."""
    counted = runs.filter("interpolated")
    linear = counted.filter(pl.col("activation") == "identity")
    orbits = counted.filter(pl.col("activation") != "identity", pl.col("downsample") > 0)
    checks = []
    for depth, strides in runs.select("depth", "strides").unique(maintain_order=True).iter_rows():
        of_pair = (pl.col("depth") == depth) & (pl.col("strides") == strides)
        own, other = (
            linear.filter(of_pair, pl.col("downsample") == downsample)
            for downsample in (strides, 0)
        )
        what = "share of linear networks that store their examples as leading eigenvectors"
        checks += [
            at_least(
                f"{depth} layers, {_strides(strides)}: {what}",
                bound=1.0,
                measured=_share_that_stores(own),
                runs=own.height,
                tolerance=EXCEPTIONS,
            ),
            at_most(
                f"{depth} layers, {_strides(0)}: {what}",
                bound=0.0,
                measured=_share_that_stores(other),
                runs=other.height,
                tolerance=EXCEPTIONS,
            ),
        ]
        nonlinear = runs.filter(of_pair, pl.col("activation") != "identity")
        for n in nonlinear["n"].unique(maintain_order=True):
            ends = orbits.filter(of_pair, pl.col("n") == n)
            checks.append(
                at_least(
                    f"{depth} layers, {_strides(strides)}, leaky_relu, n = {n}: share of orbits "
                    "that end at single images",
                    bound=1.0,
                    measured=share(ends, "at_examples", "starts"),
                    runs=ends.height,
                    tolerance=EXCEPTIONS,
                )
            )
    return tuple(checks)


def narrowest(downsample: int) -> int:
    """The numbers that a state goes through at the narrowest place of a network.

    Example:
        >>> narrowest(0), narrowest(2), narrowest(3)
        (64, 64, 16)
    """
    return min(SIZE**2, CHANNELS * (SIZE // 2**downsample) ** 2)


def _strides(count: int) -> str:
    return {0: "no strides", 1: "1 stride"}.get(count, f"{count} strides")


def _share_that_stores(runs: pl.DataFrame) -> float:
    return int(runs["stores"].sum()) / runs.height if runs.height else math.nan


def _note(runs: pl.DataFrame) -> str:
    told = []
    counted = runs.filter("interpolated")
    for (depth, _), pair in counted.group_by("depth", "strides", maintain_order=True):
        for (downsample,), own in pair.group_by("downsample", maintain_order=True):
            linear = own.filter(pl.col("activation") == "identity")
            radius = linear["moduli"].list.first()
            low, high = wilson(int(linear["stores"].sum()), linear.height)
            parts = [
                f"{linear['stores'].sum()} of {linear.height} linear networks store (95%: "
                f"{low:.0%} to {high:.0%}), largest modulus {radius.min():.3g} to "
                f"{radius.max():.3g}, angle up to "
                f"{linear['angle'].max():.2g}"
                if linear.height
                else "no linear network interpolated"
            ]
            orbits = own.filter(pl.col("activation") != "identity")
            for (n,), at in orbits.group_by("n", maintain_order=True):
                parts.append(
                    f"n = {n}: {at['at_examples'].sum()} of {at['starts'].sum()} orbits at single "
                    f"images, {at['examples_reached'].min()} to {at['examples_reached'].max()} of "
                    "them reached"
                )
            told.append(
                f"{depth} layers, {_strides(downsample)} ({narrowest(downsample)} numbers at the "
                f"narrowest, of {SIZE**2} pixels): {'; '.join(parts)}"
            )
    return ". ".join(told) + "." if told else "No network interpolated."


def figure(runs: pl.DataFrame) -> ChartType:
    """Leading spectra with and without strides, side by side; below, where orbits end."""
    counted = runs.filter("interpolated").with_columns(
        pl.when(pl.col("downsample") > 0)
        .then(pl.lit("with strides"))
        .otherwise(pl.lit("without"))
        .alias("network"),
        pl.format("{} layers, {} strides or none", "depth", "strides").alias("pair"),
        pl.format("n = {}", "n").alias("examples"),
    )
    color = alt.Color(
        "network:N",
        scale=alt.Scale(
            domain=["with strides", "without"], range=[COLOURS["stored"], COLOURS["spurious"]]
        ),
    )
    column = alt.Column("pair:N", title=None)
    return (
        alt.vconcat(_spectra(counted, color, column), _ends(counted, color, column))
        .resolve_scale(color="shared")
        .configure(**theme())
    )


def _spectra(counted: pl.DataFrame, color: alt.Color, column: alt.Column) -> ChartType:
    linear = (
        counted.filter(pl.col("activation") == "identity")
        .with_columns(pl.int_ranges(1, LEADING + 1).alias("place"))
        .explode("moduli", "place")
        .select("network", "pair", "examples", "seed", "moduli", "place")
    )
    return (
        alt.Chart(chart_data(linear))
        .mark_point(opacity=0.5, filled=True)
        .encode(
            x=alt.X("place:O", title="eigenvalue", axis=alt.Axis(labelAngle=0)),
            xOffset="network:N",
            y=alt.Y("moduli:Q", title="modulus"),
            color=color,
            column=column,
            row=alt.Row("examples:N", title=None),
            tooltip=["network:N", "seed:Q", "place:O", "moduli:Q"],
        )
        .properties(width=300, height=130)
    )


def _ends(counted: pl.DataFrame, color: alt.Color, column: alt.Column) -> ChartType:
    ends = counted.filter(pl.col("activation") != "identity").select(
        "network", "pair", "examples", "seed", "at_examples", "starts", "share", "share_low",
        "share_high", "examples_reached",
    )  # fmt: skip
    return (
        alt.Chart(chart_data(ends))
        .mark_point(opacity=0.6, filled=True)
        .encode(
            x=alt.X("examples:N", title=None, axis=alt.Axis(labelAngle=0)),
            xOffset="network:N",
            y=alt.Y(
                "share:Q",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%"),
                title="orbits that end at an image",
            ),
            color=color,
            column=column,
            tooltip=[
                "network:N",
                "seed:Q",
                alt.Tooltip("at_examples:Q", title="orbits at an image"),
                alt.Tooltip("starts:Q", title="of"),
                alt.Tooltip("share_low:Q", title="95% from", format=".1%"),
                alt.Tooltip("share_high:Q", title="to", format=".1%"),
                alt.Tooltip("examples_reached:Q", title="images reached"),
            ],
        )
        .properties(width=300, height=130)
    )


CLAIM = Claim(
    number=9,
    name="downsampling",
    statement=(
        "Linear convolutional networks with strides and nearest-neighbour upsampling store their "
        "examples, or combinations, as leading eigenvectors with eigenvalue 1, at depths where the "
        "same network without strides does not; nonlinear ones lead to single images."
    ),
    source="arXiv 1810.10333, first version",
    tolerance=(
        "0.05 from all networks with strides, none without, and all orbits: what more than one in "
        "twenty escapes is no rule. A linear network stores if its n leading eigenvalues are 1 and "
        "its leading eigenspace is the span, both within 1e-3, and every modulus beyond is below "
        "1: training stops at a loss of 1e-12, a residual of 1e-5 of an image at the most, times "
        "an eigenvector's condition number over its gap, for which a hundred is left."
    ),
    experiment=experiment,
    figure=figure,
)
