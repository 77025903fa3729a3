"""Iterating a network that interpolates leads from random starts to training examples.

What is found depends on where one starts, so starts come from several distributions, most of them
wider than the data (`mnemoscope.dynamics.starts`). An orbit ends at a training example if it comes
to an attractor within 1e-2 (RMS) of it, at a spurious attractor if to another one, and has not
settled if to none: it goes on moving after 10,000 steps, diverges, or comes to a state that does
not attract.
"""

from dataclasses import asdict

import altair as alt
import polars as pl
from altair.typing import ChartType
from torch import Tensor

from mnemoscope.claims.checks import at_least
from mnemoscope.claims.claim import Check, Claim, Evidence
from mnemoscope.claims.rates import NEARLY_ALL, pooled, share, with_rate
from mnemoscope.claims.scale import Scale
from mnemoscope.data import load_data
from mnemoscope.dynamics.outcomes import OUTCOME_COUNTS, count_outcomes_from_noise
from mnemoscope.dynamics.starts import STARTS
from mnemoscope.measure.replicas import stored_by_replica
from mnemoscope.nets import FullyConnected
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import COLOURS, theme
from mnemoscope.training import TrainingOptions, train_replicas

BATCHES = 4
"""Mini-batches of an epoch. Full batches store far fewer examples of many; that is another claim's
matter (`robust-to-training`), where these would end is this one's."""

MOST_STEPS = 20_000


def experiment(scale: Scale) -> Evidence:
    """Networks of 8 layers that interpolate n digits, from starts of every distribution."""
    width = scale.choose(32, 128, 256)
    starts = scale.choose(100, 500, 2_000)
    kinds = scale.choose(("uniform", "gaussian"), tuple(STARTS), tuple(STARTS))
    seeds = list(scale.range(2, 5, 20))
    rows = []
    for n in scale.choose((5,), (5, 10, 20, 40), (5, 10, 20, 40, 80, 160)):
        X = load_data("digits", n=n)
        spec = FullyConnected(
            shape=tuple(X.shape[1:]), width=width, depth=8, activation="leaky_relu"
        )
        rows += _networks(spec, X, seeds, kinds, starts, scale.device)
    runs = with_rate(
        pl.DataFrame(rows, schema_overrides=dict.fromkeys(COUNTS, pl.Int64)),
        "at_examples",
        "starts",
        "share",
    )
    return Evidence(_checks(runs), runs, _note(runs))


COUNTS = ("stored", *OUTCOME_COUNTS)


def _networks(
    spec: FullyConnected,
    X: Tensor,
    seeds: list[int],
    kinds: tuple[str, ...],
    starts: int,
    device: str,
) -> list[dict[str, object]]:
    """A row for each seed and distribution: where its starts ended."""
    replicas = train_replicas(
        spec,
        X,
        TrainingOptions(batch_size=max(1, len(X) // BATCHES), max_steps=MOST_STEPS),
        seeds=seeds,
        device=device,
    )
    X = X.to(device)
    kept = stored_by_replica(replicas, X).sum(1)
    found = []
    for r, seed in enumerate(seeds):
        interpolated = bool(replicas.converged[r])
        net = replicas[r]
        ended = {}
        if interpolated:
            _, ended = count_outcomes_from_noise(net, X, kinds, starts, seed)
        for kind in kinds:
            found.append(
                {
                    "n": len(X),
                    "width": spec.width,
                    "seed": seed,
                    "kind": kind,
                    "steps": int(replicas.steps[r]),
                    "loss": float(replicas.loss[r]),
                    "interpolated": interpolated,
                    **dict.fromkeys(COUNTS),
                    "stored": int(kept[r]) if interpolated else None,
                    **(asdict(ended[kind]) if ended else {}),
                }
            )
    return found


def _checks(runs: pl.DataFrame) -> tuple[Check, ...]:
    counted = runs.filter("interpolated")
    of_n = [
        _check(f"share of starts that end at training examples, n = {n}", counted, pl.col("n") == n)
        for n in runs["n"].unique(maintain_order=True)
    ]
    of_kind = [
        _check(f"the same from {kind} starts, every n", counted, pl.col("kind") == kind)
        for kind in runs["kind"].unique(maintain_order=True)
    ]
    return (*of_n, *of_kind)


def _check(what: str, counted: pl.DataFrame, which: pl.Expr) -> Check:
    those = counted.filter(which)
    return at_least(
        what,
        bound=1.0,
        measured=share(those, "at_examples", "starts"),
        runs=those.select("n", "seed").n_unique(),
        tolerance=NEARLY_ALL,
    )


def _note(runs: pl.DataFrame) -> str:
    counted = runs.filter("interpolated")
    if counted.is_empty():
        return "No network interpolated."
    told = []
    every = counted.filter(pl.col("stored") == pl.col("n"))
    others = counted.filter(pl.col("stored") < pl.col("n"))
    for n, at_n in counted.group_by("n", maintain_order=True):
        networks = at_n.unique("seed")
        told.append(
            f"n = {n[0]}: {networks['stored'].sum()} of {networks['n'].sum()} examples stored, "
            f"{share(at_n, 'spurious', 'starts'):.1%} of starts at spurious attractors, "
            f"{share(at_n, 'not_settled', 'starts'):.1%} not settled; one distribution reaches "
            f"{at_n['examples_reached'].min()} to {at_n['examples_reached'].max()} examples"
        )
    if every.is_empty() or others.is_empty():
        return ". ".join(told) + "."
    told.append(
        f"Of networks that store all their examples {share(every, 'spurious', 'starts'):.1%} of "
        f"{every['starts'].sum():,} starts end at spurious attractors, of the others "
        f"{share(others, 'spurious', 'starts'):.1%} of {others['starts'].sum():,}"
    )
    return ". ".join(told) + "."


def figure(runs: pl.DataFrame) -> ChartType:
    """What became of the starts against n, for each distribution."""
    counted = runs.filter("interpolated")
    kinds = {
        "at_examples": "at a training example",
        "spurious": "at a spurious attractor",
        "not_settled": "not settled",
    }
    shares = pl.concat(
        pooled(counted, ["n", "kind"], column, "starts", "share")
        .rename({column: "count"})
        .with_columns(pl.lit(words).alias("end"))
        for column, words in kinds.items()
    )
    base = alt.Chart(chart_data(shares)).encode(
        x=alt.X(
            "n:Q",
            scale=alt.Scale(type="log", nice=False, padding=12),
            axis=alt.Axis(values=counted["n"].unique().sort().to_list()),
            title="training examples",
        ),
        color=alt.Color(
            "end:N",
            scale=alt.Scale(
                domain=list(kinds.values()),
                range=[COLOURS[name] for name in ("stored", "spurious", "unsettled")],
            ),
        ),
    )
    scale = alt.Scale(domain=[0, 1])
    intervals = base.mark_rule().encode(y=alt.Y("share_low:Q", scale=scale), y2="share_high:Q")
    points = base.mark_line(point=True).encode(
        y=alt.Y("share:Q", scale=scale, axis=alt.Axis(format="%"), title="starts"),
        tooltip=[
            "kind:N",
            "n:Q",
            "end:N",
            alt.Tooltip("runs:Q", title="networks"),
            alt.Tooltip("count:Q", title="starts that ended so"),
            alt.Tooltip("starts:Q", title="of"),
            alt.Tooltip("share_low:Q", title="95% from", format=".1%"),
            alt.Tooltip("share_high:Q", title="to", format=".1%"),
        ],
    )
    return (
        alt.layer(intervals, points, data=base.data)
        .properties(width=170, height=130)
        .facet(alt.Facet("kind:N", title="starts"), columns=3)
        .configure(**theme())
    )


CLAIM = Claim(
    number=5,
    name="iteration",
    statement=(
        "Iterating a deep fully connected network that interpolates leads from random starts to "
        "training examples."
    ),
    source="arXiv 1810.10333, deep fully connected autoencoders",
    tolerance=(
        "0.05 below all of the starts: the source gives no rate, but what more than one start in "
        "twenty escapes is no rule. The sampling error is smaller: at 2,500 starts a share of 0.95 "
        "is known to 0.01 of these very networks; of others the interval in the figure tells, "
        "which counts networks."
    ),
    experiment=experiment,
    figure=figure,
)
