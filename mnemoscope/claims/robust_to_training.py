"""Attractors appear under every way of training: optimizer, batch size, rate, first weights.

Three studies of one architecture:

- `optimizer`: gradient descent, gradient descent with momentum, RMSprop and Adam, each with full
  and with small batches and at two learning rates;
- `init`: laws of the first weights, in use (the regime) or not (the reach), in three networks;
- `updates`: small batches take more updates to come to a loss than full ones, and also their
  gradients are noisy. To separate the two, batches of every size take the
  same number of updates at the same rates (cosine decay, no stop at a loss). So full batches also
  go on to a loss far below that at which they interpolate.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import polars as pl

from mnemoscope.claims import (
    NETWORK,
    Check,
    Claim,
    Counted,
    Regime,
    Row,
    Scale,
    Setting,
    each_value,
    listed,
    nearly_all,
    phase_diagram,
    pooled,
)
from mnemoscope.data import load_data
from mnemoscope.nets import FullyConnected
from mnemoscope.plots import Axis, Figure

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

INITS = ("default", "xavier_uniform", "kaiming_normal")
"""The first weights of the regime: those in common use."""

OTHER_INITS = ("scaled(0.05)", "scaled(0.2)")
"""The deviation of `default` at width 128 or somewhat less, without first biases; and four times
that."""

SMALLER = ((64, 6),)
"""Width and depth of the networks of the reach, only with `long`."""

UPDATES = (1_000, 4_000, 8_000)
"""Full batches interpolate in fewer updates than the first of these, small ones in the second."""


def design(scale: Scale) -> Iterator[Setting]:
    """Yields the three studies, on digits."""
    X = load_data("digits", n=scale.choose(5, 10, 20))
    everything, full, small = tuple(OPTIMIZERS), len(X), len(X) // 5
    most = scale.choose(2_000, 4_500, 9_000)

    def setting(
        study: str,
        seeds: Sequence[int],
        optimizer: str,
        batch_size: int,
        *,
        network: tuple[int, int] = scale.choose((32, 4), (128, 8), (256, 8)),
        shares: Sequence[float] = (1.0,),
        init: str = "default",
        in_regime: bool = True,
        **training: Any,
    ) -> Setting:
        width, depth = network
        rates = [share * RATES[optimizer] for share in shares for _ in seeds]
        return Setting(
            FullyConnected(shape=X.shape[1:], width=width, depth=depth, init=init),
            X,
            [*seeds] * len(shares),
            levels={"study": study, "optimizer": optimizer},
            training={"lr": rates, "batch_size": batch_size, **OPTIMIZERS[optimizer], **training},
            measure=("contraction", "stored"),
            interpolation=INTERPOLATED,
            in_regime=in_regime,
        )

    sizes = scale.choose((full, small), (full, small), (full, full // 2, small))
    seeds = scale.range(2, 3, 4)
    optimizers = scale.choose(("momentum", "adam"), everything, everything)
    for optimizer, size in product(optimizers, sizes):
        yield setting("optimizer", seeds, optimizer, size, shares=SHARES, max_steps=most)
    optimizers = scale.choose(("adam",), ("momentum", "adam"), everything)
    inits = scale.choose(INITS[2:], INITS, INITS)
    first_weights = partial(setting, "init", seeds, batch_size=full, max_steps=most)
    for optimizer, init in product(optimizers, inits):
        yield first_weights(optimizer, init=init)
    # What is far from PyTorch's takes all its steps, most of all without Adam.
    others = scale.choose(OTHER_INITS[:1], OTHER_INITS, OTHER_INITS)
    for optimizer, init in product(scale.choose(("adam",), ("adam",), everything), others):
        yield first_weights(optimizer, init=init, in_regime=False)
    smaller = product(optimizers, (*inits, *OTHER_INITS), scale.choose((), (), SMALLER))
    for optimizer, init, network in smaller:
        yield first_weights(optimizer, init=init, network=network, in_regime=False)
    equal = partial(setting, "updates", seeds, "adam", tol=NEVER)
    for updates, size in product(scale.choose(UPDATES[:1], UPDATES[:2], UPDATES), sizes):
        yield equal(size, max_steps=updates, schedule="cosine")


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares, for every way of training, the networks that store an example with all."""
    rate = pl.col("optimizer").replace_strict(RATES, return_dtype=pl.Float64)
    runs = runs.with_columns(
        (pl.col("stored") > 0).alias("storing"), (pl.col("lr") / rate).round(6).alias("share")
    )
    for study, column, words in (
        ("optimizer", "optimizer", "under {}"),
        ("optimizer", "batch_size", "in batches of {}"),
        ("optimizer", "share", "at {:g} of the optimizer's own rate"),
        ("init", "init", "from first weights {}"),
    ):
        for value, those in each_value(runs.filter(pl.col("study") == study), column):
            what = f"share of networks that store an example, {words.format(value)}"
            yield nearly_all(what, those, "storing")


SETTINGS = {
    "optimizer": ["optimizer", "batch_size"],
    "init": ["optimizer", "init"],
    "updates": ["batch_size", "set"],
}
"""The factors of each study; `set` is a number of updates set beforehand."""

WORDS = {
    "optimizer": "Stored, of all examples of networks that interpolate (median of updates)",
    "init": "By first weights",
    "updates": "Adam at equal numbers of updates, set beforehand",
}


def _stored(runs: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Pools the share stored by setting, with the median of the updates."""
    # In the study of updates their number is a setting; elsewhere it is a result.
    number = pl.when(pl.col("study") == "updates").then("steps").alias("set")
    counted = runs.filter("interpolated").with_columns(number.cast(pl.Int64))
    updates = counted.group_by(by).agg(pl.col("steps").median().alias("updates"))
    rates = pooled(counted, by, "stored", "n", "share")
    return rates.join(updates, on=by, nulls_equal=True, maintain_order="left")


def note(runs: pl.DataFrame) -> str:
    """States what is stored, and after how many updates, in each study."""
    runs, parts = runs.filter("in_regime"), []
    for study, by in SETTINGS.items():
        rates = _stored(runs.filter(pl.col("study") == study), by)
        listed = ", ".join(
            f"{_setting(row)} {row['share']:.0%} ({row['stored']} of {row['n']}; "
            f"{row['updates']:,.0f})"
            for row in rates.iter_rows(named=True)
        )
        parts.append(f"{WORDS[study]}: {listed or 'none interpolated'}.")
    lost = runs.filter(~pl.col("interpolated"))
    return " ".join(parts) + (
        f" {lost.height} of {runs.height} runs did not interpolate and count for nothing; "
        f"{lost['diverged'].sum()} of them diverged."
    )


def _setting(row: Row) -> str:
    if "init" in row:
        return f"{row['init']} under {row['optimizer']}"
    return f"{row.get('optimizer', '')} in batches of {row['batch_size']}".strip()


PANELS = {
    "optimizer": "optimizers, batches, rates",
    "init": "first weights",
    "updates": "equal numbers of updates",
}


def reach(runs: pl.DataFrame) -> str:
    """States the share of networks that store an example, by network and first weights."""
    beyond = _storing(runs.filter(~pl.col("in_regime")))
    found = listed(beyond, ["network", "init", "optimizer"], {"networks that store one": STORING})
    return f"{found}." if beyond.height else ""


STORING = Counted("storing", "one")


def _storing(runs: pl.DataFrame) -> pl.DataFrame:
    """Returns the runs that count, with columns for what `STORING` counts, and the network."""
    return runs.filter("interpolated").with_columns(
        NETWORK,
        storing=(pl.col("stored") > 0).cast(pl.Int64),
        one=pl.lit(1, pl.Int64),
    )


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the share stored against the number of updates, and by network what stores any."""
    by = ["study", "optimizer", "batch_size", "lr", "init", "set"]
    stored = _stored(runs.filter("in_regime"), by).with_columns(
        pl.col("study").replace_strict(PANELS),
        pl.format("batches of {}", "batch_size").alias("batches"),
    )
    first_weights = _storing(runs.filter(pl.col("study") == "init"))
    return (
        Figure(
            stored.rename({"stored": "count", "n": "total"}),
            Axis("updates", "updates, median of the seeds", "log"),
            Axis("share", "examples stored", "share"),
            by="batches",
            shape="optimizer",
            interval=True,
            facet="study",
            tooltip=("lr", "init"),
            height=200,
        ),
        phase_diagram(
            first_weights,
            STORING,
            Axis("network", "width × depth", "category"),
            Axis("init", "first weights", "category"),
            "networks that store an example",
            facet="optimizer",
        ),
    )


CLAIM = Claim(
    number=12,
    name="robust-to-training",
    statement=(
        "Overparameterized networks that interpolate have attractors at training examples, "
        "whatever the optimizer, the size of the batches, the learning rate and the law in use "
        "that the first weights are drawn from."
    ),
    source="arXiv 1810.10333 and 1909.12362, experiments",
    tolerance=(
        "Of the networks that interpolate, a share of 0.05 may store none of their examples, "
        "under each optimizer, batch size, learning rate and initialization: the sources claim "
        "that attractors appear, not how many, and a claim does not hold as a rule if it fails in"
        " more than one of twenty cases. The numbers of stored examples and of updates are "
        "reported as well; nothing predicts them."
    ),
    regime=Regime(
        words=(
            "10 digits, width 128 (2 times the pixels), 8 layers, leaky_relu: 116,000 parameters "
            "for 640 numbers (with `long` 20 digits, width 256); first weights of PyTorch, Xavier "
            "and Kaiming"
        ),
        source="the laws of first weights that PyTorch offers, and its optimizers",
    ),
    design=design,
    rates={"share": ("stored", "n")},
    checks=checks,
    note=note,
    reach=reach,
    figures=figures,
    seconds=180,
)
