"""How many pictures one network stores.

A network of fixed size is trained on more and more crops of photographs. Told for each number are
the share of the examples that are stored, and where orbits from noise end: at an example, at a
spurious attractor, at none.

At the effort `long` one network is trained besides on 500 crops of 32 x 32 pixels in three colours,
and 10,000 starts of each distribution are followed. (Radhakrishnan, Belkin, Uhler, PNAS 117(44),
2020, tell of 500 pictures in one network, without any apparent spurious attractor.)
"""

import os
import time
from dataclasses import asdict

import altair as alt
import polars as pl
from altair.typing import ChartType
from torch import Tensor

from mnemoscope.base.errors import DivergenceError
from mnemoscope.claims.checks import at_least, at_most
from mnemoscope.claims.claim import Check, Claim, Evidence
from mnemoscope.claims.rates import NEARLY_ALL, pooled, share, with_rate
from mnemoscope.claims.scale import Scale
from mnemoscope.data import load_data
from mnemoscope.dynamics.outcomes import OUTCOME_COUNTS, count_outcomes_from_noise
from mnemoscope.dynamics.starts import STARTS
from mnemoscope.dynamics.stored import stored_examples
from mnemoscope.maps import SelfMap
from mnemoscope.measure.replicas import stored_by_replica
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import COLOURS, theme
from mnemoscope.training import TrainingOptions, train, train_replicas

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
the loss stands still is starved before it interpolates."""


def experiment(scale: Scale) -> Evidence:
    """Stored and spurious share against n; with `long` the 500 as well."""
    size = scale.choose(8, 16, 16)
    width, depth = scale.choose((64, 6), (256, 8), (256, 8))
    starts = scale.choose(50, 100, 1_000)
    seeds = list(scale.range(2, 2, 5))
    rows: list[dict[str, object]] = []
    for n in scale.choose((5, 10), (10, 20, 40), (10, 20, 40, 80, 160, 320)):
        X = load_data("photos", n=n, size=size)
        spec = FullyConnected(shape=tuple(X.shape[1:]), width=width, depth=depth)
        rows += _networks(spec, X, seeds, starts, scale.device)
    told = ""
    if scale.effort == "long":
        X = load_data("photos", n=500, size=32)
        spec = FullyConnected(shape=tuple(X.shape[1:]), width=512, depth=8)
        row, told = headline(spec, X, scale.seed, HEADLINE_STAGES, HEADLINE_STARTS, scale.device)
        rows.append(row)
    table = pl.DataFrame(rows, schema_overrides=dict.fromkeys(COUNTS, pl.Int64))
    runs = with_rate(table, "stored", "n", "share")
    return Evidence(_checks(runs), runs, " ".join(filter(None, (_note(runs), told))))


COUNTS = ("stored", *OUTCOME_COUNTS)


def _networks(
    spec: FullyConnected, X: Tensor, seeds: list[int], starts: int, device: str
) -> list[dict[str, object]]:
    """A row for each seed."""
    replicas = train_replicas(
        spec,
        X,
        TrainingOptions(batch_size=max(1, len(X) // BATCHES), max_steps=MOST_STEPS),
        seeds=seeds,
        device=device,
    )
    kept = stored_by_replica(replicas, X).sum(1).tolist()
    found = []
    for r, (net, seed, fit) in enumerate(zip(replicas, seeds, replicas.fits, strict=True)):
        measured = _measured(net, X.to(device), kept[r], starts, seed) if fit.converged else {}
        found.append(_row(SWEEP, X, seed, fit.steps, fit.loss, fit.converged, measured))
    return found


def headline(
    spec: FullyConnected,
    X: Tensor,
    seed: int,
    stages: tuple[tuple[float, int], ...],
    starts: int,
    device: str,
) -> tuple[dict[str, object], str]:
    """One network on many pictures: its row, and how far it got, in words.

    It is measured where it does not interpolate as well, to tell how far it got; then it counts for
    no check.

    Args:
        spec: The network's.
        X: `(n, *shape)`, the pictures.
        seed: Of the network and the order of its examples.
        stages: Rates and updates, one after the other until it interpolates.
        starts: Of each distribution.
        device: Where it is trained.
    """
    begun = time.perf_counter()
    net = spec.build(seed=seed, device=device)
    loss, steps, stopped = float("nan"), 0, ""
    for lr, updates in stages:
        try:
            fit = train(
                net,
                X,
                TrainingOptions(
                    lr=lr,
                    schedule="cosine",
                    max_steps=updates,
                    seed=seed,
                    batch_size=min(HEADLINE_BATCH, len(X)),
                ),
            )
        except DivergenceError as error:
            stopped = f", stopped: {error}"
            break
        loss, steps = fit.loss, steps + fit.steps
        if fit.converged:
            break
    trained = time.perf_counter()
    interpolated = not stopped and loss <= 1e-8
    kept = 0 if stopped else int(stored_examples(SelfMap(net), X.to(device)).sum())
    measured = {} if stopped else _measured(net, X.to(device), kept, starts, seed)
    row = _row(HEADLINE, X, seed, steps, loss, interpolated, measured)
    told = (
        f"The {len(X)} pictures of {X.shape[-1]} x {X.shape[-1]}: loss {loss:.2g} after {steps:,} "
        f"updates{stopped}; "
    )
    if measured:
        told += (
            f"{row['stored']} of {len(X)} stored, {row['spurious']} of {row['starts']} starts at "
            f"{row['spurious_attractors']} spurious attractors, {row['not_settled']} not settled, "
            f"{row['examples_reached']} examples reached; "
        )
    if not interpolated:
        told += "it did not interpolate, so that nothing of this counts for a check; "
    minutes = (trained - begun) / 60, (time.perf_counter() - trained) / 60
    return row, told + (
        f"training {minutes[0]:.0f} minutes, census {minutes[1]:.0f}, on {device} "
        f"({os.cpu_count()} cores)."
    )


def _measured(net: Network, X: Tensor, kept: int, starts: int, seed: int) -> dict[str, object]:
    ended, _ = count_outcomes_from_noise(net, X, tuple(STARTS), starts, seed)
    return {"stored": kept, **asdict(ended)}


def _row(
    part: str,
    X: Tensor,
    seed: int,
    steps: int,
    loss: float,
    interpolated: bool,
    measured: dict[str, object],
) -> dict[str, object]:
    return {
        "part": part,
        "n": len(X),
        "size": X.shape[-1],
        "seed": seed,
        "steps": steps,
        "loss": loss,
        "interpolated": interpolated,
        **dict.fromkeys(COUNTS),
        **measured,
    }


def _checks(runs: pl.DataFrame) -> tuple[Check, ...]:
    counted = runs.filter("interpolated")
    checks = []
    for n in runs.filter(pl.col("part") == SWEEP)["n"].unique(maintain_order=True):
        those = counted.filter(pl.col("part") == SWEEP, pl.col("n") == n)
        checks += [
            at_least(
                f"share of {n} pictures that is stored",
                bound=1.0,
                measured=share(those, "stored", "n"),
                runs=those.height,
                tolerance=NEARLY_ALL,
            ),
            at_most(
                f"share of starts that end at spurious attractors, n = {n}",
                bound=0.0,
                measured=share(those, "spurious", "starts"),
                runs=those.height,
                tolerance=NEARLY_ALL,
            ),
        ]
    for row in runs.filter(pl.col("part") == HEADLINE).iter_rows(named=True):
        one = int(row["interpolated"])
        checks += [
            at_least(
                f"pictures stored, of {row['n']}",
                bound=float(row["n"]),
                measured=_number(row["stored"]),
                runs=one,
            ),
            at_most(
                f"spurious attractors found, n = {row['n']}",
                bound=0.0,
                measured=_number(row["spurious_attractors"]),
                runs=one,
            ),
        ]
    return tuple(checks)


def _number(value: int | None) -> float:
    return float("nan") if value is None else float(value)


def _note(runs: pl.DataFrame) -> str:
    counted = runs.filter(pl.col("part") == SWEEP, pl.col("interpolated"))
    told = [
        f"n = {row['n']}: {row['stored']} of {row['n'] * row['runs']} stored in {row['runs']} "
        f"networks, {row['spurious']} of {row['starts']} starts at spurious attractors, "
        f"{row['not_settled']} not settled"
        for row in counted.group_by("n", maintain_order=True)
        .agg(pl.len().alias("runs"), pl.col("stored", "spurious", "not_settled", "starts").sum())
        .iter_rows(named=True)
    ]
    return f"{'; '.join(told) or 'No network interpolated'}."


def figure(runs: pl.DataFrame) -> ChartType:
    """Stored and spurious share against n."""
    counted = runs.filter("interpolated")
    lines = {
        "stored": ("stored", "n", "examples that are stored"),
        "spurious": ("spurious", "starts", "starts that end at spurious attractors"),
        "not_settled": ("unsettled", "starts", "starts that do not settle"),
    }
    shares = pl.concat(
        pooled(
            counted.select("n", "size", pl.col(count).alias("count"), pl.col(total).alias("total")),
            ["n", "size"],
            "count",
            "total",
            "share",
        ).with_columns(pl.lit(words).alias("what"))
        for count, (_, total, words) in lines.items()
    )
    base = alt.Chart(chart_data(shares)).encode(
        x=alt.X(
            "n:Q",
            scale=alt.Scale(type="log", nice=False, padding=16),
            axis=alt.Axis(values=counted["n"].unique().sort().to_list()),
            title="pictures",
        ),
        color=alt.Color(
            "what:N",
            scale=alt.Scale(
                domain=[words for _, _, words in lines.values()],
                range=[COLOURS[name] for name, _, _ in lines.values()],
            ),
        ),
        detail="size:N",
    )
    scale = alt.Scale(domain=[0, 1])
    intervals = base.mark_rule().encode(y=alt.Y("share_low:Q", scale=scale), y2="share_high:Q")
    points = base.mark_line(point={"size": 60}).encode(
        y=alt.Y("share:Q", scale=scale, axis=alt.Axis(format="%"), title=None),
        tooltip=[
            "what:N",
            alt.Tooltip("n:Q", title="pictures"),
            alt.Tooltip("size:N", title="pixels a side"),
            alt.Tooltip("runs:Q", title="networks"),
            alt.Tooltip("count:Q", title="count"),
            alt.Tooltip("total:Q", title="of"),
            alt.Tooltip("share_low:Q", title="95% from", format=".1%"),
            alt.Tooltip("share_high:Q", title="to", format=".1%"),
        ],
    )
    return (intervals + points).properties(width=420, height=240).configure(**theme())


CLAIM = Claim(
    number=13,
    name="capacity",
    statement=(
        "One deep fully connected network stores many real pictures, and nothing but them: 500 of "
        "500, without a spurious attractor (that many with `long` only)."
    ),
    source="PNAS 117(44), 2020 (arXiv 1909.12362), 500 pictures; here crops of two photographs",
    tolerance=(
        "0.05 below all of the pictures, and 0.05 above none of the starts at spurious attractors, "
        "for numbers that several networks are trained on: the source tells of single ones, and a "
        "rate over seeds may be a little less than all. Nothing at all for the 500, of which it "
        "says every one."
    ),
    experiment=experiment,
    figure=figure,
)
