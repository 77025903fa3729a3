"""A deep linear convolutional network with one channel collapses on the span of its examples.

A network of one channel has `k²` weights a layer, the operator on `s × s` pixels `s⁴` entries; by
the rule of thumb that it takes as many weights as entries, `s⁴ / k²` layers of `k × k` convolution
can memorize (`mnemoscope.theory.heuristic_memorizing_depth`). An operator that interpolates `n`
examples has `n` eigenvalues 1; that it collapses on their span shows in the next one, `λ_(n+1)`,
which is 0 of the projection and 1 of the identity.

The law the weights are drawn from matters, since a product of many small layers vanishes. The
claim is judged by two laws in common use: PyTorch's own, which shrinks the signal to 0.58 of it or
less in each layer and is followed as far as it can be trained, and Xavier's. With zero padding a
pixel of an `s × s` image has `((3s - 2) / s)²` neighbours on average, itself among them (3 × 3
kernels), so weights of standard deviation `s / (3s - 2)` preserve the mean square of the signal
from layer to layer (Xavier's, 1/3, nearly do in large images). Such networks are shown as the
claim's reach.

Source: Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333, on linear convolutional autoencoders.
"""

import math
from collections.abc import Iterator

import polars as pl
import torch

from mnemoscope.claims import (
    Check,
    Claim,
    Regime,
    Row,
    Scale,
    Setting,
    Trained,
    each_network,
    noise_images,
)
from mnemoscope.claims.operators import moduli, operator
from mnemoscope.nets import Convolutional
from mnemoscope.plots import Axis, Figure, Reference
from mnemoscope.theory import heuristic_memorizing_depth

COLLAPSED = 0.05
"""The operator has collapsed where the median of the next eigenvalue's modulus is below it."""

FACTORS = (1 / 4, 1 / 2, 1, 2, 4, 8)
"""Depths, in multiples of the heuristic's: below and above it, beyond what the tolerance allows."""

OCTAVES = 1.0
"""A factor of 2 between the depth of collapse and the heuristic's, either way."""

LONGEST_PYTORCH = 30
"""Layers beyond which PyTorch's law leaves too little of the signal, 1e-7, to begin with."""

RATE = 1e-2
"""Maximum rate of Adam."""

MOVE = 0.3
"""The rate of Adam is at most this over the number of layers: each step moves every layer of a
product by about the rate."""

LAWS = {
    "pytorch": "PyTorch's weights",
    "xavier": "Xavier's weights",
    "preserving": "weights that preserve the signal",
}
"""The laws in words."""

INSIDE = ("pytorch", "xavier")
"""The laws of the regime."""

BY = ("law", "size", "n")


def design(scale: Scale) -> Iterator[Setting]:
    """Networks of one channel on one and on two images of noise, over depth and seeds."""
    deepest = scale.choose(16, 60, 300)
    sizes = scale.choose((2,), (2, 3, 4), (2, 3, 4, 5, 6))
    # Two images take as long again, so that only the smallest size has them.
    twice = scale.choose((), sizes[:1], sizes[:1])
    cases = [
        (law, size, n)
        for law in LAWS
        for size in sizes
        for n in ((1, 2) if size in twice and law in INSIDE else (1,))
    ]
    for law, size, n in cases:
        inside = law in INSIDE
        seeds = scale.range(2, 8, 8) if inside else scale.range(2, 4, 4)
        X = torch.stack([noise_images(n, size, seed=seed) for seed in seeds])
        heuristic_depth = heuristic_memorizing_depth(size)
        for depth in depths(size, LONGEST_PYTORCH if law == "pytorch" else deepest):
            yield Setting(
                Convolutional(
                    shape=(1, size, size),
                    channels=1,
                    depth=depth,
                    activation="identity",
                    bias=False,
                    init=law_of_weights(law, size),
                ),
                X,
                seeds,
                levels={"law": law, "size": size, "heuristic_depth": heuristic_depth},
                training={
                    "lr": min(RATE, MOVE / depth),
                    "max_steps": scale.choose(1_000, 800, 3_000),
                    "finish": "gauss_newton",
                },
                measure=(next_modulus,),
                in_regime=inside,
            )


def depths(size: int, most: int) -> list[int]:
    """Returns the depths to try for images of `size × size` pixels, up to `most`.

    Example:
        >>> depths(2, 60), depths(4, 60)
        ([1, 2, 4, 8, 16], [8, 15, 29, 58])
    """
    heuristic = heuristic_memorizing_depth(size)
    ladder = sorted({math.ceil(factor * heuristic) for factor in FACTORS})
    return [depth for depth in ladder if depth <= most]


def law_of_weights(law: str, size: int) -> str:
    """Returns the initialization, as a spec names it.

    Example:
        >>> [law_of_weights(law, 2) for law in ("pytorch", "xavier", "preserving")]
        ['default', 'xavier_uniform', 'scaled(0.5)']
    """
    known = {"pytorch": "default", "xavier": "xavier_uniform"}
    return known.get(law) or f"scaled({size / (3 * size - 2):.6g})"


def next_modulus(trained: Trained) -> Iterator[Row]:
    """Measures the first eigenvalue modulus beyond those of the examples."""
    for net, X, _, _ in each_network(trained):
        spectrum = moduli(operator(net, trained.replicas.spec.shape))
        yield {"first_modulus": float(spectrum[0]), "next_modulus": float(spectrum[len(X)])}


def medians(runs: pl.DataFrame) -> pl.DataFrame:
    """Computes the median of the next modulus by depth, over the runs that interpolated."""
    by = [*BY, "depth", "heuristic_depth"]
    return runs.group_by(by, maintain_order=True).agg(
        pl.col("next_modulus").filter("interpolated").median().alias("median"),
        pl.col("interpolated").sum().cast(pl.Int64),
        pl.len().cast(pl.Int64).alias("runs"),
    )


def collapse_depth(runs: pl.DataFrame) -> float:
    """Finds the depth from which on the median is below `COLLAPSED`; infinite if it never is.

    Depths at which no run interpolated are passed over.
    """
    known = medians(runs).drop_nulls("median").sort("depth", descending=True)
    reached = math.inf
    for depth, median in known.select("depth", "median").iter_rows():
        if not median < COLLAPSED:
            break
        reached = float(depth)
    return reached


def crossing(runs: pl.DataFrame) -> float:
    """Finds where the median falls below `COLLAPSED` for good, between the depths that were tried.

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


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares the depth of collapse with the heuristic's, by law, size and n."""
    for (law, size, n), own in runs.group_by(*BY, maintain_order=True):
        heuristic, counted = own["heuristic_depth"][0], own.filter("interpolated")
        depth = collapse_depth(own) if counted.height else math.nan
        yield Check(
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


def note(runs: pl.DataFrame) -> str:
    """States where the median crosses the threshold with the weights of the regime."""
    parts = _crossings(runs.filter("in_regime"))
    return (
        f"Layers at which the median crosses {COLLAPSED}, interpolated between those tried: "
        f"{'; '.join(parts)}. At the greatest depths the median is over the runs that were not too "
        "hard to train."
    )


def reach(runs: pl.DataFrame) -> str:
    """States the same with other weights."""
    return f"{'; '.join(_crossings(runs.filter(~pl.col('in_regime'))))}."


def _crossings(runs: pl.DataFrame) -> list[str]:
    parts = []
    for (law, size, n), own in runs.group_by(*BY, maintain_order=True):
        where = crossing(own)
        least, most = own["depth"].min(), own["depth"].max()
        found = (
            f"nowhere between {least} and {most}"
            if math.isnan(where)
            else f"{where:.0f}, or {where / size**2:.2g} s²"
        )
        parts.append(
            f"{size} × {size}, n = {n}, {LAWS[law]}: {found} (heuristic "
            f"{own['heuristic_depth'][0]}; {own['interpolated'].sum()} of {own.height} runs "
            "interpolated)"
        )
    return parts


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the next eigenvalue modulus against depth, and the threshold."""
    counted = runs.filter("interpolated").with_columns(
        (pl.col("depth") / pl.col("heuristic_depth")).alias("multiple"),
        pl.format("{} × {} pixels", "size", "size").alias("pixels"),
        pl.format("n = {}, {}", "n", pl.col("law").replace_strict(LAWS)).alias("examples"),
    )
    return (
        Figure(
            counted,
            Axis("multiple", "layers, in multiples of the heuristic's", "log2"),
            Axis("next_modulus", "modulus of the next eigenvalue", "log", format=".0e"),
            by="pixels",
            line="median",
            theory=Reference(y=COLLAPSED),
            facet="examples",
            columns=2,
            tooltip=("depth", "seed"),
            width=300,
            height=240,
        ),
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
    regime=Regime(
        words=(
            "one channel, 3 × 3 kernels, linear, without biases; images of noise of 2 × 2 to 4 × 4 "
            "pixels (with `long` to 6 × 6), a quarter to eight times the heuristic's layers as far "
            "as they can be trained; Adam, then Gauss-Newton; PyTorch's and Xavier's first weights"
        ),
        source="the two laws of first weights in common use",
    ),
    design=design,
    checks=checks,
    note=note,
    reach=reach,
    figures=figures,
    seconds=200,
)
