"""Deep convolutional networks that interpolate output individual training images.

Stacks of 3 × 3 convolutions without downsampling, with leaky_relu between them. A fresh input,
noise or another picture, is mapped once and then iterated. Its output is a training image if it is
within 0.1 (RMS) of one, a tenth of the pixels' range; its orbit ends at one if it comes to an
attractor within 1e-2 of it. Fewer layers than connect all pixels, 7 for 8 × 8, see only part of
their input.

Source: Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333, on nonlinear convolutional
autoencoders.
"""

import altair as alt
import polars as pl
import torch
from altair.typing import ChartType
from torch import Tensor, nn

from mnemoscope.claims.checks import at_least
from mnemoscope.claims.claim import Check, Claim, Evidence
from mnemoscope.claims.rates import pooled, share, with_rate
from mnemoscope.claims.scale import Scale
from mnemoscope.data import load_data
from mnemoscope.dynamics import find_attractors
from mnemoscope.dynamics.outcomes import count_outcomes
from mnemoscope.dynamics.states import nearest
from mnemoscope.maps import SelfMap
from mnemoscope.nets import Convolutional
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import COLOURS, theme
from mnemoscope.training import TrainingOptions, train_replicas

SAME_PICTURE = 0.1
"""An output within this RMS distance of a training image is that image, to the eye."""

EXCEPTIONS = 0.05
"""What may be missing of all: what one input in twenty escapes is no rule."""

SIZE = 8
"""Side of the images: the smallest on which a digit can be read."""

CHANNELS = 16
"""Of each hidden layer; PyTorch's initialization."""

INTERPOLATED = 1e-6
"""The loss that counts as interpolation: a residual of 1e-3 (RMS), a tenth of what an attractor
may be away from the example that it matches."""

RATE = 3e-3
"""Of Adam, up to the end: Gauss-Newton's last steps would be faster, but change how orbits end."""

MOST_STEPS = 2_500
"""Steps after which a run has not interpolated."""

ORBIT_STEPS = 500
"""An orbit that has not settled by then ends nowhere."""


def experiment(scale: Scale) -> Evidence:
    """Networks on one image each, and at length on five, over depth."""
    seeds = list(scale.range(2, 4, 20))
    fresh = scale.choose(10, 20, 100)
    deep = tuple(range(4, 25, 2))
    depths = {
        "digits": scale.choose((4, 20), (4, 8, 12, 16, 20), deep),
        "photos": scale.choose((), (4, 12, 20), deep),
    }
    rows = []
    for data, those in depths.items():
        for n in scale.choose((1,), (1,), (1, 5)):
            for depth in those:
                rows += _networks(data, n, depth, seeds, fresh, scale.device)
    runs = pl.DataFrame(rows, schema_overrides=dict.fromkeys(COUNTS, pl.Int64))
    runs = with_rate(runs, "at_examples", "starts", "share")
    return Evidence(_checks(runs), runs, _note(runs))


COUNTS = ("starts", "outputs_at_examples", "at_examples", "spurious", "not_settled", "reached")


def _networks(
    data: str, n: int, depth: int, seeds: list[int], fresh: int, device: str
) -> list[dict[str, object]]:
    """A row for each seed and kind of fresh input. Each network has examples of its own."""
    size = SIZE if data == "photos" else None
    pictures = load_data(data, n=n * len(seeds) + fresh, size=size).to(device)
    X = pictures[:-fresh].unflatten(0, (len(seeds), n))
    spec = Convolutional(
        shape=(pictures.shape[1], SIZE, SIZE), channels=CHANNELS, depth=depth,
        activation="leaky_relu",
    )  # fmt: skip
    replicas = train_replicas(
        spec,
        X,
        TrainingOptions(tol=INTERPOLATED, lr=RATE, max_steps=MOST_STEPS),
        seeds=seeds,
        device=device,
    )
    found = []
    for r, seed in enumerate(seeds):
        interpolated = bool(replicas.converged[r])
        generator = torch.Generator().manual_seed(seed)
        noise = torch.rand(fresh, *spec.shape, generator=generator).to(device)
        ends = _ends(replicas[r], X[r], [noise, pictures[-fresh:]]) if interpolated else [{}, {}]
        for kind, counts in zip(("noise", "other pictures"), ends, strict=True):
            found.append(
                {
                    "data": data,
                    "n": n,
                    "depth": depth,
                    "seed": seed,
                    "inputs": kind,
                    "loss": float(replicas.loss[r]),
                    "steps": int(replicas.steps[r]),
                    "interpolated": interpolated,
                    **dict.fromkeys(COUNTS),
                    "output_distance": None,
                    **counts,
                }
            )
    return found


def _ends(net: nn.Module, X: Tensor, kinds: list[Tensor]) -> list[dict[str, object]]:
    """Where a network takes fresh inputs of several kinds, at once and in the end."""
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


def _checks(runs: pl.DataFrame) -> tuple[Check, ...]:
    """Of the networks with one example each, at the greatest depth."""
    deepest = runs["depth"].max()
    counted = runs.filter("interpolated", pl.col("n") == 1, pl.col("depth") == deepest)
    checks = []
    for data in runs["data"].unique(maintain_order=True):
        own = counted.filter(pl.col("data") == data)
        for what, column in (
            ("output is", "outputs_at_examples"),
            ("orbit ends at", "at_examples"),
        ):
            checks.append(
                at_least(
                    f"{data}, {deepest} layers: share of fresh inputs whose {what} a training "
                    "image",
                    bound=1.0,
                    measured=share(own, column, "starts"),
                    runs=own["seed"].n_unique(),
                    tolerance=EXCEPTIONS,
                )
            )
    return tuple(checks)


def _note(runs: pl.DataFrame) -> str:
    counted = runs.filter("interpolated")
    told = []
    for (data, n), own in counted.group_by("data", "n", maintain_order=True):
        each = (
            f"{depth}: {at['outputs_at_examples'].sum()} and {at['at_examples'].sum()} of "
            f"{at['starts'].sum()}"
            for (depth,), at in own.group_by("depth", maintain_order=True)
        )
        told.append(f"{data}, n = {n}: {', '.join(each)}")
    return (
        "Fresh inputs whose output, and whose orbit's end, is a training image, by layers. "
        + "; ".join(told)
        + "."
        if told
        else "No network interpolated."
    )


def figure(runs: pl.DataFrame) -> ChartType:
    """The share of fresh inputs that are taken to a training image, against depth."""
    counted = runs.filter("interpolated").with_columns(
        pl.format("{}, n = {}", "data", "n").alias("examples")
    )
    kinds = {"outputs_at_examples": "output", "at_examples": "end of the orbit"}
    shares = pl.concat(
        pooled(counted, ["examples", "inputs", "depth"], column, "starts", "share")
        .rename({column: "count"})
        .with_columns(pl.lit(words).alias("what"))
        for column, words in kinds.items()
    )
    scale = alt.Scale(domain=[0, 1])
    base = alt.Chart().encode(
        x=alt.X("depth:Q", title="layers"),
        color=alt.Color(
            "what:N",
            scale=alt.Scale(
                domain=list(kinds.values()), range=[COLOURS["unsettled"], COLOURS["stored"]]
            ),
        ),
    )
    intervals = base.mark_rule().encode(y=alt.Y("share_low:Q", scale=scale), y2="share_high:Q")
    lines = base.mark_line(point=True).encode(
        y=alt.Y("share:Q", scale=scale, axis=alt.Axis(format="%"), title="at a training image"),
        tooltip=[
            "examples:N",
            "inputs:N",
            "depth:Q",
            alt.Tooltip("runs:Q", title="networks"),
            alt.Tooltip("count:Q", title="inputs at a training image"),
            alt.Tooltip("starts:Q", title="of"),
            alt.Tooltip("share_low:Q", title="95% from", format=".1%"),
            alt.Tooltip("share_high:Q", title="to", format=".1%"),
        ],
    )
    return (
        alt.layer(intervals, lines, data=chart_data(shares))
        .properties(width=220, height=160)
        .facet(row=alt.Row("examples:N", title=None), column=alt.Column("inputs:N", title=None))
        .configure(**theme())
    )


CLAIM = Claim(
    number=8,
    name="convolutional-memorization",
    statement=(
        "Deep convolutional networks that interpolate map fresh inputs to individual training "
        "images, at once and when iterated."
    ),
    source="arXiv 1810.10333, nonlinear convolutional autoencoders",
    tolerance=(
        "0.05 below all of the fresh inputs at the greatest depth: the source gives no rate, but "
        "what more than one input in twenty escapes is no rule. An output counts within 0.1 (RMS) "
        "of a training image, a tenth of the pixels' range; the end of an orbit within 1e-2, as in "
        "an audit."
    ),
    experiment=experiment,
    figure=figure,
)
