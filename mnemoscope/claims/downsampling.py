"""Downsampling stores examples at depths where the same network without it does not.

A linear network that interpolates has `A x = x` for its examples with and without downsampling.
It stores them if these eigenvalues 1 lead the spectrum: then every modulus beyond the first `n` is
below 1, the leading eigenspace is the span of the examples, and iterates end in it, at examples or
combinations of them. With strided convolutions and nearest-neighbour upsampling this is so at
depths where without them other eigenvalues are as large or larger. Each network with strides is
compared with one of the same depth and channels without, since depth alone stores too.

In nonlinear networks (leaky_relu) orbits end not at combinations but at single images.

Source: Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333, first version.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

import polars as pl
import torch

from mnemoscope.base.stats import Rate
from mnemoscope.claims import (
    Check,
    Claim,
    Regime,
    Row,
    Scale,
    Setting,
    Trained,
    each_network,
    nearly_all,
    nearly_none,
)
from mnemoscope.claims.operators import angle_to_span, moduli, operator
from mnemoscope.data import load_data
from mnemoscope.dynamics import find_attractors
from mnemoscope.dynamics.outcomes import count_outcomes
from mnemoscope.nets import Convolutional
from mnemoscope.plots import Axis, Figure

LINEAR_LOSS = 1e-12
"""The loss that counts as interpolation of linear networks: a residual of 1e-6 (RMS), so that
eigenvalues and angles are exact."""

ACCURATE = 1e-3
"""Tolerance of eigenvalues and angles of a network that stores: that residual is 1e-5 of an image
at the most, and an eigenvector multiplies it by its condition number over its gap, for which a
hundred is left."""

NONLINEAR_LOSS = 1e-6
"""The same of nonlinear networks: a residual of 1e-3 (RMS), a tenth of what an attractor may be
away from the example that it matches. They are trained by Adam up to the end, since Gauss-Newton's
last steps, which bring linear ones there, change where orbits end."""

SIZE = 8
"""Side of the digits."""

CHANNELS = 16

INSIDE = (6, 3)
"""Layers and strides of the regime: three halve the digits to a single place of 16 channels."""

LEADING = 10
"""Number of eigenvalues in the table for each operator."""

ORBIT_STEPS = 200
"""An orbit that has not settled by then ends nowhere."""

RATE = 3e-3
"""Rate of Adam."""

MOST_STEPS = (4_000, 4_000, 10_000)
"""Steps after which a run has not interpolated: quick, by default, and with `--long`."""

COLUMNS: dict[str, pl.DataType] = {
    "stores": pl.Boolean(),
    "moduli": pl.List(pl.Float64()),
    **dict.fromkeys(("leading_error", "next_modulus", "angle"), pl.Float64()),
    **dict.fromkeys(
        ("starts", "at_examples", "spurious", "not_settled", "examples_reached"), pl.Int64()
    ),
}
"""The spectra of linear networks, and the ends of orbits of the others."""


def design(scale: Scale) -> Iterator[Setting]:
    """Yields linear and nonlinear networks on digits, with strides and without.

    `strides` names the pair of networks, `downsample` is that of each: as many, or 0.
    """
    counts = scale.choose((2,), (1, 2, 5), (1, 2, 5, 10))
    yield from _pair(scale, *INSIDE, counts, scale.range(2, 5, 6), in_regime=True)
    others = scale.choose((), ((4, 2),), ((4, 1), (4, 2), (6, 2), (8, 3)))
    fewer = scale.choose((), (2,), counts[1:])
    for depth, strides in others:
        yield from _pair(scale, depth, strides, fewer, scale.range(2, 2, 2))


def _pair(
    scale: Scale,
    depth: int,
    strides: int,
    counts: Sequence[int],
    seeds: Sequence[int],
    *,
    in_regime: bool = False,
) -> Iterator[Setting]:
    """Yields a network with strides and the one without, linear and not."""
    kinds = {
        "identity": (
            {"tol": LINEAR_LOSS, "finish": "gauss_newton", "dtype": "float64"},
            spectrum,
        ),
        "leaky_relu": (
            {"tol": NONLINEAR_LOSS},
            partial(ends, starts=scale.choose(10, 50, 100)),
        ),
    }
    most = scale.choose(*MOST_STEPS)
    for downsample, activation, n in product((strides, 0), kinds, counts):
        training, measure = kinds[activation]
        yield Setting(
            Convolutional(
                shape=(1, SIZE, SIZE),
                channels=CHANNELS,
                depth=depth,
                activation=activation,
                bias=activation != "identity",
                downsample=downsample,
            ),
            load_data("digits", n=n),
            seeds,
            levels={"strides": strides},
            training={"lr": RATE, "max_steps": most, **training},
            measure=(measure,),
            in_regime=in_regime,
        )


def spectrum(trained: Trained) -> Iterator[Row]:
    """Measures the leading spectrum, and the angle of its eigenspace to the span of examples."""
    for net, X, _, _ in each_network(trained):
        n, A = len(X), operator(net, trained.replicas.spec.shape)
        found, angle = moduli(A), angle_to_span(A, X)
        error, beyond = float((found[:n] - 1).abs().max()), float(found[n])
        yield {
            "moduli": found[:LEADING].tolist(),
            "leading_error": error,
            "next_modulus": beyond,
            "angle": angle,
            "stores": error <= ACCURATE and beyond < 1 and angle <= ACCURATE,
        }


def ends(trained: Trained, *, starts: int) -> Iterator[Row]:
    """Counts where orbits from noise end, for networks that interpolate."""
    for net, X, seed, converged in each_network(trained):
        row: Row = {}
        if converged:
            noise = torch.rand(
                starts, *X.shape[1:], generator=torch.Generator().manual_seed(seed)
            ).to(X)
            ended = count_outcomes(find_attractors(net, noise, X, max_steps=ORBIT_STEPS))
            row = {name: value for name, value in vars(ended).items() if name in COLUMNS}
        yield row


LINEAR = pl.col("activation") == "identity"


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares, for each pair, what networks store with strides and without."""
    what = "share of linear networks that store their examples as leading eigenvectors"
    for (depth, strides), pair in runs.group_by("depth", "strides", maintain_order=True):
        linear = pair.filter("interpolated", LINEAR)
        own, other = (linear.filter(pl.col("downsample") == count) for count in (strides, 0))
        yield nearly_all(f"{depth} layers, {_strides(strides)}: {what}", own, "stores")
        yield nearly_none(f"{depth} layers, {_strides(0)}: {what}", other, "stores")
        nonlinear = pair.filter(~LINEAR)
        for n in nonlinear["n"].unique(maintain_order=True):
            yield nearly_all(
                f"{depth} layers, {_strides(strides)}, leaky_relu, n = {n}: share of orbits that "
                "end at single images",
                nonlinear.filter("interpolated", pl.col("downsample") > 0, pl.col("n") == n),
                "at_examples",
                "starts",
            )


def narrowest(downsample: int) -> int:
    """Returns the number of values at the narrowest place of a network.

    Example:
        >>> narrowest(0), narrowest(2), narrowest(3)
        (64, 64, 16)
    """
    return min(SIZE**2, CHANNELS * (SIZE // 2**downsample) ** 2)


def _strides(count: int) -> str:
    return {0: "no strides", 1: "1 stride"}.get(count, f"{count} strides")


def note(runs: pl.DataFrame) -> str:
    """States, for the networks of the regime, how many linear ones store and where orbits end."""
    return _by_pair(runs.filter("in_regime")) or "No network interpolated."


def reach(runs: pl.DataFrame) -> str:
    """States the same of the other networks."""
    return _by_pair(runs.filter(~pl.col("in_regime")))


def _by_pair(runs: pl.DataFrame) -> str:
    parts = []
    counted = runs.filter("interpolated")
    for (depth, _), pair in counted.group_by("depth", "strides", maintain_order=True):
        for (downsample,), own in pair.group_by("downsample", maintain_order=True):
            about = [_spectra_note(own.filter(LINEAR))]
            for (n,), at in own.filter(~LINEAR).group_by("n", maintain_order=True):
                about.append(
                    f"n = {n}: {at['at_examples'].sum()} of {at['starts'].sum()} orbits at single "
                    f"images, {at['examples_reached'].min()} to {at['examples_reached'].max()} of "
                    "them reached"
                )
            parts.append(
                f"{depth} layers, {_strides(downsample)} ({narrowest(downsample)} numbers at the "
                f"narrowest, of {SIZE**2} pixels): {'; '.join(about)}"
            )
    return ". ".join(parts) + "." if parts else ""


def _spectra_note(linear: pl.DataFrame) -> str:
    if linear.is_empty():
        return "no linear network interpolated"
    stores = Rate.of(int(linear["stores"].sum()), linear.height)
    radius = linear["moduli"].list.first()
    return (
        f"{stores.fraction} linear networks store (95%: {stores.low:.0%} to {stores.high:.0%}), "
        f"largest modulus {radius.min():.3g} to {radius.max():.3g}, angle up to "
        f"{linear['angle'].max():.2g}"
    )


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes leading spectra with and without strides, and where orbits end."""
    with_strides = pl.when(pl.col("downsample") > 0).then(pl.lit("with strides"))
    counted = runs.filter("interpolated").with_columns(
        with_strides.otherwise(pl.lit("without")).alias("network"),
        pl.format("{} layers, {} strides or none", "depth", "strides").alias("pair"),
        pl.format("n = {}", "n").alias("examples"),
    )
    spectra = (
        counted.filter(LINEAR)
        .with_columns(pl.int_ranges(1, LEADING + 1).alias("place"))
        .explode("moduli", "place")
    )
    colours = {"with strides": "stored", "without": "spurious"}
    return (
        Figure(
            spectra,
            Axis("place", "eigenvalue", "category"),
            Axis("moduli", "modulus"),
            by="network",
            offset="network",
            row="examples",
            column="pair",
            colours=colours,
            tooltip=("seed",),
            width=300,
            height=130,
        ),
        Figure(
            counted.filter(~LINEAR),
            Axis("examples", "", "category"),
            Axis("share", "orbits that end at an image", "share"),
            by="network",
            offset="network",
            column="pair",
            colours=colours,
            titles={
                "at_examples": "orbits at an image",
                "starts": "of",
                "share_low": "95% from",
                "share_high": "to",
                "examples_reached": "images reached",
            },
            tooltip=(
                "seed",
                "at_examples",
                "starts",
                "share_low",
                "share_high",
                "examples_reached",
            ),
            width=300,
            height=130,
        ),
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
        "0.05 from all networks with strides, from none without strides, and from all orbits: a "
        "claim does not hold as a rule if it fails in more than one of twenty cases. A linear "
        "network stores its examples if its n leading eigenvalues are 1 and its leading "
        "eigenspace is their span, both within 1e-3, and all other moduli are below 1: training "
        "stops at a loss of 1e-12, a residual of at most 1e-5 of an image, times the condition "
        "number of an eigenvector over its gap, for which a factor of 100 is allowed."
    ),
    regime=Regime(
        words=(
            "1, 2 and 5 digits (with `long` 10 as well), 16 channels, 6 layers of 3 × 3 kernels "
            "with three strides, to 1 × 1, and three upsamplings, and the same without them: 9,500 "
            "parameters for at most 320 numbers; Adam 3e-3, PyTorch's first weights"
        ),
        source=(
            "the paper's convolutional networks with strides, here with as many as the digits bear"
        ),
    ),
    design=design,
    columns=COLUMNS,
    rates={"share": ("at_examples", "starts")},
    checks=checks,
    note=note,
    reach=reach,
    figures=figures,
    seconds=130,
)
