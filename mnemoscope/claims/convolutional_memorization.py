"""Deep convolutional networks that interpolate output individual training images.

Stacks of 3 × 3 convolutions without downsampling, with leaky_relu between them. A fresh input,
noise or another picture, is mapped once and then iterated. Its output is a training image if it is
within 0.1 (RMS) of one, a tenth of the pixels' range; its orbit ends at one if it comes to an
attractor within 1e-2 of it. Fewer layers than connect all pixels, 7 for 8 × 8, see only part of
their input.

Source: Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333, on nonlinear convolutional
autoencoders.
"""

from collections.abc import Iterator
from functools import partial

import polars as pl
import torch
from torch import Tensor, nn

from mnemoscope.claims import (
    Check,
    Claim,
    Counted,
    Row,
    Scale,
    Setting,
    Trained,
    each_network,
    each_value,
    listed,
    nearly_all,
    rates_figure,
)
from mnemoscope.data import load_data
from mnemoscope.dynamics import find_attractors
from mnemoscope.dynamics.outcomes import count_outcomes
from mnemoscope.dynamics.states import nearest
from mnemoscope.maps import SelfMap
from mnemoscope.nets import Convolutional
from mnemoscope.plots import Axis, Figure

SAME_PICTURE = 0.1
"""An output within this RMS distance of a training image is that image, to the eye."""

SIZE = 8
"""Side of the images: the smallest on which a digit can be read."""

CHANNELS = 16
"""Channels of each hidden layer; PyTorch's initialization."""

INTERPOLATED = 1e-6
"""The loss that counts as interpolation: a residual of 1e-3 (RMS), a tenth of what an attractor
may be away from the example that it matches."""

RATE = 3e-3
"""Rate of Adam, up to the end: Gauss-Newton's last steps would be faster, but change how orbits
end."""

MOST_STEPS = 2_500
"""Steps after which a run has not interpolated."""

ORBIT_STEPS = 500
"""An orbit that has not settled by then ends nowhere."""

KINDS = ("noise", "other pictures")
"""Fresh inputs."""

COUNTS: dict[str, pl.DataType] = {
    **dict.fromkeys(
        ("starts", "outputs_at_examples", "at_examples", "spurious", "not_settled", "reached"),
        pl.Int64(),
    ),
    "output_distance": pl.Float64(),
}


def design(scale: Scale) -> Iterator[Setting]:
    """Networks on one image each, and at length on five, over depth."""
    seeds = scale.range(2, 4, 6)
    fresh = scale.choose(10, 20, 50)
    deep = tuple(range(4, 25, 2))
    depths = {
        "digits": scale.choose((4, 20), (4, 8, 12, 16, 20), deep),
        "photos": scale.choose((), (4, 20), deep),
    }
    for data, those in depths.items():
        size = SIZE if data == "photos" else None
        # Five photographs would take most of the time, and few networks interpolate one.
        for n in (1, 5) if scale.effort == "long" and data == "digits" else (1,):
            # Each network has examples of its own; the other pictures come after them.
            pictures = load_data(data, n=n * len(seeds) + fresh, size=size)
            for depth in those:
                yield Setting(
                    Convolutional(
                        shape=(pictures.shape[1], SIZE, SIZE),
                        channels=CHANNELS,
                        depth=depth,
                        activation="leaky_relu",
                    ),
                    pictures[:-fresh].unflatten(0, (len(seeds), n)),
                    seeds,
                    levels={"data": data},
                    training={"tol": INTERPOLATED, "lr": RATE, "max_steps": MOST_STEPS},
                    measure=(partial(ends, pictures=pictures[-fresh:]),),
                )


def ends(trained: Trained, *, pictures: Tensor) -> Iterator[list[Row]]:
    """Measures where noise and other pictures are taken, by networks that interpolate."""
    for net, X, seed, converged in each_network(trained):
        noise = torch.rand(pictures.shape, generator=torch.Generator().manual_seed(seed))
        found: list[Row] = [{}, {}]
        if converged:
            found = taken_to(net, X, [noise.to(X), pictures.to(X)])
        yield [{"inputs": kind, **row} for kind, row in zip(KINDS, found, strict=True)]


def taken_to(net: nn.Module, X: Tensor, kinds: list[Tensor]) -> list[Row]:
    """Counts where a network takes fresh inputs of several kinds, at once and in the end."""
    Z = torch.cat(kinds)
    census = find_attractors(net, Z, X, max_steps=ORBIT_STEPS)
    away = nearest(SelfMap(net, X.shape[1:])(Z), X)[1]
    found = []
    for i, kind in enumerate(kinds):
        rows = slice(i * len(kind), (i + 1) * len(kind))
        ended = count_outcomes(census, rows)
        found.append(
            {
                "starts": ended.starts,
                "outputs_at_examples": int((away[rows] <= SAME_PICTURE).sum()),
                "at_examples": ended.at_examples,
                "spurious": ended.spurious,
                "not_settled": ended.not_settled,
                "reached": ended.examples_reached,
                "output_distance": float(away[rows].median()),
            }
        )
    return found


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares networks with one example each, at the greatest depth, with all inputs."""
    deepest = runs["depth"].max()
    for data, own in each_value(runs, "data"):
        counted = own.filter(pl.col("n") == 1, pl.col("depth") == deepest)
        for what, column in (
            ("output is", "outputs_at_examples"),
            ("orbit ends at", "at_examples"),
        ):
            yield nearly_all(
                f"{data}, {deepest} layers: share of fresh inputs whose {what} a training image",
                counted,
                column,
                "starts",
                networks=counted["seed"].n_unique(),
            )


def note(runs: pl.DataFrame) -> str:
    """States how many fresh inputs are taken to a training image, by layers."""
    counts = listed(runs.filter("interpolated"), ["data", "n", "depth"], LINES)
    return f"Fresh inputs at a training image. {counts}." if counts else "No network interpolated."


LINES = {
    "output": Counted("outputs_at_examples", "starts", "unsettled"),
    "end of the orbit": Counted("at_examples", "starts", "stored"),
}
"""The counts at a training image."""


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the share of fresh inputs that are taken to a training image, against depth."""
    examples = pl.format("{}, n = {}", "data", "n")
    counted = runs.filter("interpolated").with_columns(examples=examples)
    panels = {"row": "examples", "column": "inputs"}
    title, size = "at a training image", {"width": 220, "height": 160}
    return (rates_figure(counted, LINES, Axis("depth", "layers"), title, panels, **size),)


CLAIM = Claim(
    number=8,
    name="convolutional-memorization",
    statement=(
        "Deep convolutional networks that interpolate map fresh inputs to individual training "
        "images, at once and when iterated."
    ),
    source="arXiv 1810.10333, nonlinear convolutional autoencoders",
    tolerance=(
        "0.05 below 1 for the share of fresh inputs at the greatest depth: the source states no "
        "rate, and a claim does not hold as a rule if it fails in more than one of twenty cases. "
        "An output counts as a training image if it lies within 0.1 of it (RMS), a tenth of the "
        "range of the pixels; the end of an orbit within 1e-2, as in an audit."
    ),
    design=design,
    columns=COUNTS,
    rates={"share": ("at_examples", "starts")},
    checks=checks,
    note=note,
    figures=figures,
    seconds=110,
)
