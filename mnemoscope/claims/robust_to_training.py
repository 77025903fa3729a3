"""Attractors appear under every way of training: optimizer, batch size, rate, first weights.

Three studies of one architecture:

- `optimizer`: gradient descent, gradient descent with momentum, RMSprop and Adam, each with full
  and with small batches and at two learning rates;
- `init`: five laws of the first weights;
- `updates`: small batches take more updates to come to a loss than full ones, and besides their
  gradients are noisy. To tell which of the two it is that stores, batches of every size take the
  same number of updates at the same rates (cosine decay, no stop at a loss). So full batches also
  go on to a loss far below that at which they interpolate.
"""

import warnings
from collections.abc import Sequence
from itertools import product
from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType
from torch import Tensor

from mnemoscope.base.errors import DivergenceWarning
from mnemoscope.claims.checks import at_least
from mnemoscope.claims.claim import Check, Claim, Evidence
from mnemoscope.claims.rates import NEARLY_ALL, pooled, share, with_rate
from mnemoscope.claims.scale import Scale
from mnemoscope.data import load_data
from mnemoscope.measure.replicas import stored_by_replica
from mnemoscope.nets import FullyConnected
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import theme
from mnemoscope.training import TrainingOptions, replica_spectral_radius, train_replicas
from mnemoscope.training.options import Schedule

INTERPOLATED = 1e-8
"""The loss that counts as interpolation, also of those that train beyond it."""

NEVER = 1e-30
"""A loss that is never reached: every one of these networks takes all its updates."""

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "gradient descent": {"optimizer": "gradient_descent", "momentum": 0.0},
    "momentum": {"optimizer": "gradient_descent", "momentum": 0.9},
    "rmsprop": {"optimizer": "rmsprop"},
    "adam": {"optimizer": "adam"},
}

RATES = {"gradient descent": 1.0, "momentum": 0.1, "rmsprop": 3e-4, "adam": 1e-3}
"""The library's own rates; without momentum ten times that with a momentum of 0.9, which comes to
the same pace."""

SHARES = (1.0, 0.5)
"""The rates tried, as shares of these."""

INITS = ("default", "xavier_uniform", "kaiming_normal", "scaled(0.05)", "scaled(0.2)")
"""`scaled`: about the deviation of `default`, but without first biases; and four times that."""

UPDATES = (1_000, 4_000)
"""Full batches interpolate in fewer updates than the first of these, small ones in the second."""


def experiment(scale: Scale) -> Evidence:
    """The three studies, on digits."""
    X = load_data("digits", n=scale.choose(5, 10, 20))
    spec = FullyConnected(
        shape=tuple(X.shape[1:]),
        width=scale.choose(32, 64, 256),
        depth=scale.choose(4, 6, 8),
        activation="leaky_relu",
    )
    seeds = list(scale.range(2, 6, 20))
    most = scale.choose(2_000, 4_500, 200_000)
    full = len(X)
    sizes = scale.choose((full, full // 5), (full, full // 5), (full, full // 2, full // 5))
    everything = tuple(OPTIMIZERS)
    rows: list[dict[str, object]] = []
    for name, size in product(scale.choose(("momentum", "adam"), everything, everything), sizes):
        rates = [share * RATES[name] for share in SHARES]
        rows += _networks("optimizer", spec, X, seeds, name, rates, size, most, scale.device)
    inits = scale.choose(("kaiming_normal",), INITS, INITS)
    for name, init in product(scale.choose(("adam",), ("momentum", "adam"), everything), inits):
        drawn = spec.model_copy(update={"init": init})
        rows += _networks("init", drawn, X, seeds, name, [RATES[name]], full, most, scale.device)
    for updates, size in product(scale.choose(UPDATES[:1], UPDATES, LONG_UPDATES), sizes):
        rows += _networks(
            "updates", spec, X, list(scale.range(2, 10, 20)), "adam", [RATES["adam"]], size,
            updates, scale.device, tol=NEVER, schedule="cosine",
        )  # fmt: skip
    table = pl.DataFrame(rows, schema_overrides={"stored": pl.Int64, "contractive": pl.Int64})
    runs = with_rate(table, "stored", "n", "share")
    return Evidence(_checks(runs), runs, _note(runs))


LONG_UPDATES = (1_000, 4_000, 16_000)


def _networks(
    study: str,
    spec: FullyConnected,
    X: Tensor,
    seeds: list[int],
    optimizer: str,
    rates: Sequence[float],
    batch_size: int,
    max_steps: int,
    device: str,
    *,
    tol: float = INTERPOLATED,
    schedule: Schedule = "plateau",
) -> list[dict[str, object]]:
    """A row for each rate and seed of one setting."""
    settings = list(product(rates, seeds))
    with warnings.catch_warnings():
        # Those that diverge are told in the table.
        warnings.simplefilter("ignore", DivergenceWarning)
        each = [
            TrainingOptions(
                lr=lr,
                seed=seed,
                tol=tol,
                batch_size=batch_size,
                max_steps=max_steps,
                schedule=schedule,
                **OPTIMIZERS[optimizer],
            )
            for lr, seed in settings
        ]
        replicas = train_replicas(spec, X, each, device=device)
    radius = replica_spectral_radius(replicas, X)
    kept = stored_by_replica(replicas, X)
    found = []
    for r, (lr, seed) in enumerate(settings):
        interpolated = bool(replicas.loss[r] <= INTERPOLATED)
        found.append(
            {
                "study": study,
                "optimizer": optimizer,
                "lr": lr,
                "batch_size": batch_size,
                "init": spec.init,
                "seed": seed,
                "n": len(X),
                "updates": int(replicas.steps[r]),
                "loss": float(replicas.loss[r]),
                "interpolated": interpolated,
                "diverged": bool(replicas.diverged[r]),
                "contractive": int((radius[r] < 1).sum()) if interpolated else None,
                "stored": int(kept[r].sum()) if interpolated else None,
            }
        )
    return found


def _checks(runs: pl.DataFrame) -> tuple[Check, ...]:
    counted = runs.filter("interpolated").with_columns(
        (pl.col("stored") > 0).cast(pl.Int64).alias("storing"), pl.lit(1).alias("one")
    )
    own = pl.col("optimizer").replace_strict(RATES, return_dtype=pl.Float64)
    runs, counted = (
        frame.with_columns((pl.col("lr") / own).round(6).alias("of its rate"))
        for frame in (runs, counted)
    )
    checks = []
    for study, column, words in (
        ("optimizer", "optimizer", "under {}"),
        ("optimizer", "batch_size", "in batches of {}"),
        ("optimizer", "of its rate", "at {:g} of the optimizer's own rate"),
        ("init", "init", "from first weights {}"),
    ):
        for value in runs.filter(pl.col("study") == study)[column].unique(maintain_order=True):
            those = counted.filter(pl.col("study") == study, pl.col(column) == value)
            checks.append(
                at_least(
                    f"share of networks that store an example, {words.format(value)}",
                    bound=1.0,
                    measured=share(those, "storing", "one"),
                    runs=those.height,
                    tolerance=NEARLY_ALL,
                )
            )
    return tuple(checks)


def _note(runs: pl.DataFrame) -> str:
    counted = runs.filter("interpolated")
    told = {
        "optimizer": ["optimizer", "batch_size"],
        "init": ["init", "optimizer"],
        "updates": ["batch_size", "set"],
    }
    words = {
        "optimizer": "Stored, of all examples of networks that interpolate (median of updates)",
        "init": "By first weights",
        "updates": "Adam at equal numbers of updates, set beforehand",
    }
    # In the study of updates their number is a setting; elsewhere it is what came of one.
    counted = counted.with_columns(
        pl.when(pl.col("study") == "updates").then("updates").alias("set").cast(pl.Int64)
    )
    parts = []
    for study, by in told.items():
        those = counted.filter(pl.col("study") == study)
        rates = pooled(those, by, "stored", "n", "share").join(
            those.group_by(by).agg(pl.col("updates").median()),
            on=by,
            nulls_equal=True,
            maintain_order="left",
        )
        listed = ", ".join(
            f"{_setting(study, row)} {row['share']:.0%} ({row['stored']} of {row['n']}; "
            f"{row['updates']:,.0f})"
            for row in rates.iter_rows(named=True)
        )
        parts.append(f"{words[study]}: {listed or 'none interpolated'}.")
    lost = runs.filter(~pl.col("interpolated"))
    parts.append(
        f"{lost.height} of {runs.height} runs did not interpolate, of which "
        f"{lost['diverged'].sum()} diverged, and count for nothing."
    )
    return " ".join(parts)


def _setting(study: str, row: dict[str, Any]) -> str:
    if study == "init":
        return f"{row['init']} under {row['optimizer']}"
    name = row["optimizer"] if study == "optimizer" else ""
    return f"{name} in batches of {row['batch_size']}".strip()


def figure(runs: pl.DataFrame) -> ChartType:
    """The share stored against the number of updates, a point for each setting."""
    counted = runs.filter("interpolated")
    by = ["study", "optimizer", "batch_size", "lr", "init"]
    settings_of = [*by, "set"]
    counted = counted.with_columns(
        # Where their number is a setting and not what came of one.
        pl.when(pl.col("study") == "updates").then("updates").alias("set")
    )
    settings = pooled(counted, settings_of, "stored", "n", "share").join(
        counted.group_by(settings_of).agg(pl.col("updates").median()),
        on=settings_of,
        nulls_equal=True,
    )
    base = alt.Chart(chart_data(settings.with_columns(pl.col("batch_size").cast(pl.String))))
    x = alt.X(
        "updates:Q",
        scale=alt.Scale(type="log", nice=False, padding=16),
        axis=alt.Axis(tickCount=4),
        title="updates, median of the seeds",
    )
    scale = alt.Scale(domain=[0, 1])
    rules = base.mark_rule().encode(
        x=x,
        y=alt.Y("share_low:Q", scale=scale),
        y2="share_high:Q",
        color=alt.Color("batch_size:N", title="batch size"),
    )
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=x,
        y=alt.Y("share:Q", scale=scale, axis=alt.Axis(format="%"), title="examples stored"),
        color=alt.Color("batch_size:N", title="batch size"),
        shape=alt.Shape("optimizer:N", title="optimizer"),
        tooltip=[
            "optimizer:N",
            "batch_size:N",
            "lr:Q",
            "init:N",
            alt.Tooltip("updates:Q", title="updates (median)"),
            alt.Tooltip("runs:Q", title="networks"),
            alt.Tooltip("stored:Q", title="stored"),
            alt.Tooltip("n:Q", title="of"),
            alt.Tooltip("share_low:Q", title="95% from", format=".1%"),
            alt.Tooltip("share_high:Q", title="to", format=".1%"),
        ],
    )
    return (
        alt.layer(rules, points, data=base.data)
        .properties(width=220, height=200)
        .facet(
            alt.Facet(
                "study:N",
                title=None,
                sort=["optimizer", "init", "updates"],
                header=alt.Header(labelExpr=f"({LABELS})[datum.value]"),
            ),
            columns=3,
        )
        .configure(**theme())
    )


LABELS = (
    "{optimizer: 'optimizers, batches, rates', init: 'first weights', "
    "updates: 'equal numbers of updates'}"
)


CLAIM = Claim(
    number=12,
    name="robust-to-training",
    statement=(
        "Networks that interpolate have attractors at training examples, whatever the optimizer, "
        "the size of the batches, the learning rate and the first weights."
    ),
    source="arXiv 1810.10333 and 1909.12362, experiments",
    tolerance=(
        "Of the networks that interpolate 0.05 may store none of their examples, under each "
        "optimizer, batch size, rate and law of the first weights: the sources claim that "
        "attractors appear, not how many, and what more than one network in twenty escapes is no "
        "rule. How many examples are stored, and after how many updates, is told beside it; "
        "nothing predicts it."
    ),
    experiment=experiment,
    figure=figure,
)
