"""A deep linear convolutional network with one channel collapses on the span of its examples.

A network of one channel has `k²` weights a layer, the operator on `s × s` pixels `s⁴` entries; by
the rule of thumb that it takes as many weights as entries, `s⁴ / k²` layers of `k × k` convolution
can memorize (`mnemoscope.theory.heuristic_memorizing_depth`). An operator that interpolates `n`
examples has `n` eigenvalues 1; that it collapses on their span shows in the next one, `λ_(n+1)`,
which is 0 of the projection and 1 of the identity.

The law the weights are drawn from is a matter of reason, since a product of many small layers
vanishes. There are two here. With zero padding a pixel of an `s × s` image has `((3s - 2) / s)²`
neighbours on average, itself among them (3 × 3 kernels), so weights of standard deviation
`s / (3s - 2)` preserve the mean square of the signal from layer to layer: networks of any depth can
be trained with them, and they are tried at all sizes. PyTorch's own law shrinks the signal to 0.58
of it or less in each layer, and is followed as far as it can be trained.

Source: Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333, on linear convolutional autoencoders.
"""

import math
from typing import Literal

import altair as alt
import polars as pl
import torch
from altair.typing import ChartType
from torch import Tensor

from mnemoscope.claims.claim import Check, Claim, Evidence
from mnemoscope.claims.noise_images import noise_images
from mnemoscope.claims.operators import moduli, operator
from mnemoscope.claims.scale import Scale
from mnemoscope.nets import Convolutional
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import theme
from mnemoscope.theory import heuristic_memorizing_depth
from mnemoscope.training import TrainingOptions, train_replicas

COLLAPSED = 0.05
"""The operator has collapsed where the median of the next eigenvalue's modulus is below it."""

FACTORS = (1 / 4, 1 / 2, 1, 2, 4, 8)
"""Depths, in multiples of the heuristic's: below and above it, beyond what the tolerance allows."""

OCTAVES = 1.0
"""A factor of 2 between the depth of collapse and the heuristic's, either way."""

LONGEST_PYTORCH = 30
"""Layers beyond which PyTorch's law leaves too little of the signal, 1e-7, to begin with."""

RATE = 1e-2
"""Of Adam, at most."""

MOVE = 0.3
"""Of Adam in a product of layers: each step moves every layer by about the rate, so that with `L`
layers the rate is this over `L` at most."""

Law = Literal["preserving", "pytorch"]


def experiment(scale: Scale) -> Evidence:
    """Networks of one channel on one and on two images of noise, over depth and seeds."""
    seeds = list(scale.range(4, 10, 20))
    most_layers = scale.choose(16, 60, 300)
    preserving = scale.choose((2,), (2, 3, 4), (2, 3, 4, 5, 6))
    pytorch = scale.choose((), (2, 3), (2, 3, 4, 5, 6))
    cases: list[tuple[Law, int, int]] = [
        *(("preserving", size, n) for size in preserving for n in (1, 2)),
        *(("pytorch", size, n) for size in pytorch for n in scale.choose((), (1,), (1, 2))),
    ]
    rows = []
    for law, size, n in cases:
        X = torch.stack([noise_images(n, size, seed=seed) for seed in seeds])
        for depth in depths(size, LONGEST_PYTORCH if law == "pytorch" else most_layers):
            rows += _trained(X, law, depth, seeds, scale)
    runs = pl.DataFrame(rows)
    checks = tuple(_check(own) for _, own in runs.group_by(*BY, maintain_order=True))
    return Evidence(checks, runs, _note(runs))


BY = ("law", "size", "n")

LAWS = {"preserving": "weights that preserve the signal", "pytorch": "PyTorch's weights"}
"""The laws in words."""


def depths(size: int, most: int) -> list[int]:
    """The depths that are tried for images of `size × size` pixels, up to `most`.

    Example:
        >>> depths(2, 60), depths(4, 60)
        ([1, 2, 4, 8, 16], [8, 15, 29, 58])
    """
    heuristic = heuristic_memorizing_depth(size)
    ladder = sorted({math.ceil(factor * heuristic) for factor in FACTORS})
    return [depth for depth in ladder if depth <= most]


def law_of_weights(law: Law, size: int) -> str:
    """The initialization, as a spec names it.

    Example:
        >>> law_of_weights("preserving", 2), law_of_weights("pytorch", 2)
        ('scaled(0.5)', 'default')
    """
    return "default" if law == "pytorch" else f"scaled({size / (3 * size - 2):.6g})"


def _trained(
    X: Tensor, law: Law, depth: int, seeds: list[int], scale: Scale
) -> list[dict[str, object]]:
    """A row for each seed: the first eigenvalue modulus beyond those of the examples."""
    n, size = X.shape[1], X.shape[-1]
    spec = Convolutional(
        shape=(1, size, size), channels=1, depth=depth, activation="identity", bias=False,
        init=law_of_weights(law, size),
    )  # fmt: skip
    replicas = train_replicas(
        spec,
        X,
        TrainingOptions(
            lr=min(RATE, MOVE / depth),
            max_steps=scale.choose(1_000, 800, 5_000),
            finish="gauss_newton",
        ),
        seeds=seeds,
        device=scale.device,
    )
    found = []
    for r, seed in enumerate(seeds):
        spectrum = moduli(operator(replicas[r], spec.shape))
        found.append(
            {
                "law": law,
                "size": size,
                "n": n,
                "depth": depth,
                "heuristic_depth": heuristic_memorizing_depth(size),
                "seed": seed,
                "loss": float(replicas.loss[r]),
                "steps": int(replicas.steps[r]),
                "interpolated": bool(replicas.converged[r]),
                "first_modulus": float(spectrum[0]),
                "next_modulus": float(spectrum[n]),
            }
        )
    return found


def medians(runs: pl.DataFrame) -> pl.DataFrame:
    """The median of the next modulus at each depth, over the runs that interpolated."""
    by = [*BY, "depth", "heuristic_depth"]
    return runs.group_by(by, maintain_order=True).agg(
        pl.col("next_modulus").filter("interpolated").median().alias("median"),
        pl.col("interpolated").sum().cast(pl.Int64),
        pl.len().cast(pl.Int64).alias("runs"),
    )


def collapse_depth(runs: pl.DataFrame) -> float:
    """The depth from which on the median is below `COLLAPSED`; infinite if it never is.

    Depths at which no run interpolated tell nothing and are passed over.
    """
    known = medians(runs).drop_nulls("median").sort("depth", descending=True)
    reached = math.inf
    for depth, median in known.select("depth", "median").iter_rows():
        if not median < COLLAPSED:
            break
        reached = float(depth)
    return reached


def crossing(runs: pl.DataFrame) -> float:
    """Where the median falls below `COLLAPSED` for good, between the depths that were tried.

    Its logarithm is interpolated linearly in depth. NaN if the depths do not enclose it.
    """
    reached = collapse_depth(runs)
    known = medians(runs).drop_nulls("median").sort("depth")
    after = known.filter(pl.col("depth") >= reached)
    before = known.filter(pl.col("depth") < reached)
    if after.is_empty() or before.is_empty():
        return math.nan
    L1, L2 = before["depth"][-1], after["depth"][0]
    y1, y2 = (math.log(at["median"][i] / COLLAPSED) for at, i in ((before, -1), (after, 0)))
    return L1 + (L2 - L1) * y1 / (y1 - y2)


def _check(runs: pl.DataFrame) -> Check:
    """Of the runs of one law, size and n."""
    law, size, n, heuristic = runs.select(*BY, "heuristic_depth").row(0)
    counted = runs.filter("interpolated")
    depth = collapse_depth(runs) if counted.height else math.nan
    return Check(
        what=(
            f"layers from which on the median |λ_{n + 1}| is below {COLLAPSED}, "
            f"{size} × {size}, n = {n}, {LAWS[law]}; difference in octaves"
        ),
        predicted=float(heuristic),
        measured=depth,
        difference=abs(math.log2(depth / heuristic)),
        tolerance=OCTAVES,
        runs=counted.height,
    )


def _note(runs: pl.DataFrame) -> str:
    told = []
    for (law, size, n), own in runs.group_by(*BY, maintain_order=True):
        where = crossing(own)
        least, most = own["depth"].min(), own["depth"].max()
        found = (
            f"nowhere between {least} and {most}"
            if math.isnan(where)
            else f"{where:.0f}, or {where / size**2:.2g} s²"
        )
        told.append(
            f"{size} × {size}, n = {n}, {LAWS[law]}: {found} (heuristic "
            f"{own['heuristic_depth'][0]}; {own['interpolated'].sum()} of {own.height} runs "
            "interpolated)"
        )
    return (
        f"Layers at which the median crosses {COLLAPSED}, interpolated between those tried: "
        f"{'; '.join(told)}. At the greatest depths the median is over the runs that were not too "
        "hard to train."
    )


def figure(runs: pl.DataFrame) -> ChartType:
    """The next eigenvalue modulus against depth; the heuristic's depth and the threshold."""
    counted = runs.filter("interpolated").with_columns(
        (pl.col("depth") / pl.col("heuristic_depth")).alias("multiple"),
        pl.format("{} × {}", "size", "size").alias("pixels"),
        pl.format("n = {}, {}", "n", pl.col("law").replace_strict(LAWS)).alias("examples"),
    )
    data = chart_data(counted)
    x = alt.X(
        "multiple:Q",
        scale=alt.Scale(type="log", base=2),
        title="layers, in multiples of the heuristic's",
    )
    y = alt.Y(
        "next_modulus:Q",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(format=".0e"),
        title="modulus of the next eigenvalue",
    )
    color = alt.Color("pixels:N", title="pixels")
    base = alt.Chart()
    points = base.mark_point(opacity=0.5).encode(
        x=x, y=y, color=color, tooltip=["pixels:N", "depth:Q", "seed:N", "next_modulus:Q"]
    )
    lines = base.mark_line().encode(
        x=x, y=alt.Y("median(next_modulus):Q", scale=alt.Scale(type="log")), color=color
    )
    threshold = base.mark_rule(style="reference", strokeDash=[4, 3]).encode(
        y=alt.datum(COLLAPSED, scale=alt.Scale(type="log"))
    )
    return (
        alt.layer(threshold, points, lines, data=data)
        .properties(width=300, height=240)
        .facet(alt.Facet("examples:N", title=None), columns=2)
        .configure(**theme())
    )


CLAIM = Claim(
    number=7,
    name="depth-sufficient",
    statement=(
        "A linear convolutional network of one channel collapses on the span of its examples once "
        "it has about as many weights as the operator has entries: s^4 / 9 layers of 3 × 3 kernels."
    ),
    source="arXiv 1810.10333, linear convolutional autoencoders, and the heuristic for their depth",
    tolerance=(
        "A factor of 2 between the depth of collapse and the heuristic's, either way: the "
        "heuristic counts weights and is a rule of thumb, and the depths that are tried are a "
        "factor of 2 apart, so nothing finer is measured."
    ),
    experiment=experiment,
    figure=figure,
)
