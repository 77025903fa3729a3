"""The capacity claim: one network stores many pictures.

A network of fixed size is trained on more and more crops of photographs. For each number the claim
measures the share of the examples that are stored, and where orbits from noise end: at an example,
at a spurious attractor, at none.

With `long` one network is also trained on 500 crops of 32 x 32 pixels in three colours, and 10,000
starts of each distribution are followed. (Radhakrishnan, Belkin, Uhler, PNAS 117(44), 2020, report
500 pictures in one network, without any apparent spurious attractor.)
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial

import polars as pl
from torch import Tensor

from mnemoscope.base.errors import DivergenceError
from mnemoscope.claims import (
    Check,
    Claim,
    Counted,
    Row,
    Scale,
    Setting,
    Trained,
    at_least,
    at_most,
    each_network,
    each_value,
    listed,
    nearly_all,
    nearly_none,
    rates_figure,
    rows_of,
)
from mnemoscope.data import load_data
from mnemoscope.dynamics.outcomes import OUTCOME_COUNTS, count_outcomes_from_noise
from mnemoscope.dynamics.starts import STARTS
from mnemoscope.dynamics.stored import stored_examples
from mnemoscope.maps import SelfMap
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.plots import Axis, Figure
from mnemoscope.training import TrainingOptions, train

BATCHES = 4
"""Mini-batches of an epoch; full batches store far less of many pictures."""

MOST_STEPS = 20_000

HEADLINE = "headline"
SWEEP = "sweep"

HEADLINE_STARTS = 10_000
HEADLINE_BATCH = 50
HEADLINE_STAGES = ((5e-4, 60_000), (2e-4, 60_000), (1e-4, 120_000))
"""Rates and updates, a cosine decay for each; the next one where the loss is not yet small enough.
At 1e-3 networks of this width are thrown back to where they began, and a rate that is halved when
the loss stagnates is too small before the network interpolates."""

COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("stored", *OUTCOME_COUNTS), pl.Int64()),
    "stopped": pl.String(),
    "training_minutes": pl.Float64(),
    "census_minutes": pl.Float64(),
}
"""Measurements of networks that interpolate; the last three, of the headline."""


def run(scale: Scale) -> pl.DataFrame:
    """Measures stored and spurious shares against n; with `long` the 500 as well."""
    runs = rows_of(design(scale), COLUMNS, device=scale.device)
    if scale.effort != "long":
        return runs
    X = load_data("photos", n=500, size=32)
    spec = FullyConnected(shape=X.shape[1:], width=512, depth=8)
    row = headline(spec, X, scale.seed, HEADLINE_STAGES, HEADLINE_STARTS, scale.device)
    return pl.concat([runs, pl.DataFrame([row], schema=runs.schema)])


def design(scale: Scale) -> Iterator[Setting]:
    """Networks on more and more crops of photographs."""
    size = scale.choose(8, 16, 16)
    width, depth = scale.choose((64, 6), (256, 8), (256, 8))
    for n in scale.choose((5, 10), (10, 20, 40), (10, 20, 40, 80, 160, 320)):
        X = load_data("photos", n=n, size=size)
        yield Setting(
            FullyConnected(shape=X.shape[1:], width=width, depth=depth),
            X,
            scale.range(2, 2, 5),
            levels={"part": SWEEP, "size": size},
            training={"batch_size": max(1, n // BATCHES), "max_steps": MOST_STEPS},
            measure=("stored", partial(ends, starts=scale.choose(50, 100, 1_000))),
        )


def ends(trained: Trained, *, starts: int) -> Iterator[Row]:
    """Counts where orbits from noise end, for networks that interpolate."""
    for net, X, seed, converged in each_network(trained):
        yield _ends(net, X, starts, seed) if converged else {}


def _ends(net: Network, X: Tensor, starts: int, seed: int) -> Row:
    return asdict(count_outcomes_from_noise(net, X, tuple(STARTS), starts, seed)[0])


def headline(
    spec: FullyConnected,
    X: Tensor,
    seed: int,
    stages: tuple[tuple[float, int], ...],
    starts: int,
    device: str,
) -> Row:
    """Trains one network on many pictures; returns its row.

    It is measured even where it does not interpolate, to show how far it got; then it counts for
    no check. `stages` are rates and updates, one after the other until it interpolates.
    """
    begun = time.perf_counter()
    X = X.to(device)
    net = spec.build(seed=seed, device=device)
    loss, steps, stopped = float("nan"), 0, None
    for lr, updates in stages:
        try:
            options = TrainingOptions(lr=lr, schedule="cosine", max_steps=updates, seed=seed)
            fit = train(net, X, options, batch_size=min(HEADLINE_BATCH, len(X)))
        except DivergenceError as error:
            stopped = str(error)
            break
        loss, steps = fit.loss, steps + fit.steps
        if fit.converged:
            break
    trained = time.perf_counter()
    measured: Row = {}
    if not stopped:
        stored = int(stored_examples(SelfMap(net), X).sum())
        measured = {"stored": stored, **_ends(net, X, starts, seed)}
    return {
        "part": HEADLINE,
        "n": len(X),
        "size": X.shape[-1],
        "seed": seed,
        "loss": loss,
        "steps": steps,
        "interpolated": not stopped and loss <= 1e-8,
        "diverged": bool(stopped),
        "in_regime": True,
        **dict.fromkeys(COLUMNS),
        **measured,
        "stopped": stopped,
        "training_minutes": (trained - begun) / 60,
        "census_minutes": (time.perf_counter() - trained) / 60,
    }


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares stored pictures with all and spurious attractors with none, for each n."""
    for n, those in each_value(runs.filter(pl.col("part") == SWEEP), "n"):
        yield nearly_all(f"share of {n} pictures that is stored", those, "stored", "n")
        what = f"share of starts that end at spurious attractors, n = {n}"
        yield nearly_none(what, those, "spurious", "starts")
    for row in runs.filter(pl.col("part") == HEADLINE).iter_rows(named=True):
        n, one = row["n"], int(row["interpolated"])
        stored, spurious = (_number(row[name]) for name in ("stored", "spurious_attractors"))
        yield at_least(f"pictures stored, of {n}", bound=float(n), measured=stored, runs=one)
        yield at_most(f"spurious attractors found, n = {n}", bound=0.0, measured=spurious, runs=one)


def _number(value: int | None) -> float:
    return float("nan") if value is None else float(value)


def note(runs: pl.DataFrame) -> str:
    """States what is stored for each n, and how far the headline got."""
    counted = runs.filter(pl.col("part") == SWEEP, pl.col("interpolated"))
    headlines = runs.filter(pl.col("part") == HEADLINE).iter_rows(named=True)
    shares = listed(counted, ["n"], LINES) or "No network interpolated"
    return " ".join([f"{shares}.", *map(_headline_note, headlines)])


def _headline_note(row: Row) -> str:
    stopped = f", stopped: {row['stopped']}" if row["stopped"] else ""
    parts = [
        f"The {row['n']} pictures of {row['size']} x {row['size']}: loss {row['loss']:.2g} after "
        f"{row['steps']:,} updates{stopped}"
    ]
    if row["stored"] is not None:
        parts.append(
            f"{row['stored']} of {row['n']} stored, {row['spurious']} of {row['starts']} starts "
            f"at {row['spurious_attractors']} spurious attractors, {row['not_settled']} not "
            f"settled, {row['examples_reached']} examples reached"
        )
    if not row["interpolated"]:
        parts.append("it did not interpolate and counts for no check")
    minutes = f"training {row['training_minutes']:.0f} minutes, census {row['census_minutes']:.0f}"
    return "; ".join([*parts, minutes]) + "."


LINES = {
    "examples that are stored": Counted("stored", "n", "stored"),
    "starts that end at spurious attractors": Counted("spurious", "starts", "spurious"),
    "starts that do not settle": Counted("not_settled", "starts", "unsettled"),
}


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the stored and the spurious share against n."""
    counted = runs.filter("interpolated")
    x = Axis("n", "pictures", "log", ticks=tuple(counted["n"].unique().sort()))
    options = {"titles": {"size": "pixels a side"}, "tooltip": ("size",), "width": 420}
    return (rates_figure(counted, LINES, x, "", {"detail": "size"}, **options),)


CLAIM = Claim(
    number=13,
    name="capacity",
    statement=(
        "One deep fully connected network stores many real pictures, and nothing but them: 500 of "
        "500, without a spurious attractor (that many with `long` only)."
    ),
    source="PNAS 117(44), 2020 (arXiv 1909.12362), 500 pictures; here crops of two photographs",
    tolerance=(
        "0.05 below 1 for the share of pictures stored, and 0.05 above 0 for the share of starts "
        "that end at spurious attractors, for the numbers of pictures on which several networks "
        "are trained: the source reports single networks, and a rate over seeds may be slightly "
        "below 1. No tolerance for the 500 pictures, where the source states that all are stored."
    ),
    run=run,
    rates={"share": ("stored", "n")},
    checks=checks,
    note=note,
    figures=figures,
)
