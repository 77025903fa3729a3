"""The time to memorize grows with the number of examples, the time to generalize does not.

Bonnaire, Urfin, Biroli and Mezard (arXiv 2505.17638) state for diffusion models that the steps
after which a network begins to memorize grow in proportion to the number `n` of training examples,
while the steps after which it generates well do not depend on it. Here the same is asked of
denoisers, trained on inputs with noise of up to `NOISE` units, and of autoencoders, by replicas: at
a constant rate, in batches of a size that is the same for all `n`, stopped after more and more
steps. A training is deterministic, so these are places on one path.

With the training error and that of `HELD_OUT` examples not trained on (for denoisers, from inputs
with noise of the same law), by the number of steps,

- the time to generalize is the first at which the held-out error is at most `GENERALIZED` times
  its least on the path;
- the time to memorize is the first at which the training error is at most `MEMORIZED` times the
  held-out error.

Between two places on the path the logarithm of the quantity is interpolated in the logarithm of the
steps. The runs are long before interpolation, or past it, so that every run counts.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import polars as pl
from torch import Tensor

from mnemoscope.base.stats import Z95
from mnemoscope.base.unit import unit_of
from mnemoscope.claims import (
    Check,
    Claim,
    Regime,
    Row,
    Scale,
    Setting,
    Trained,
    at_least,
    at_most,
    each_network,
)
from mnemoscope.claims.denoising import HELD_OUT, NEVER, OFFSET, denoising_error
from mnemoscope.claims.slopes import log_slope
from mnemoscope.data import load_data
from mnemoscope.nets import FullyConnected
from mnemoscope.plots import Axis, Figure

NOISE = 0.5
"""The largest standard deviation of the noise on the inputs of denoisers, in units."""

BATCH = 20
"""Examples of a step, whatever `n` is."""

GENERALIZED, MEMORIZED = 1.1, 0.5

KINDS = {"denoiser": NOISE, "autoencoder": 0.0}

SLOWEST_GENERALIZATION = 0.25
"""Largest exponent of the time to generalize: a quarter of growth in proportion."""

COLUMNS: dict[str, pl.DataType] = {"train_error": pl.Float64(), "held_out_error": pl.Float64()}


def design(scale: Scale) -> Iterator[Setting]:
    """Yields networks on more and more digits, stopped after more and more steps."""
    width, depth = scale.choose((64, 3), (256, 4), (256, 4))
    counts = scale.choose((20, 40, 80), (20, 50, 100, 200), (20, 50, 100, 200, 400, 800, 1400))
    most = scale.choose(400, 3_200, 6_400)
    held_out = load_data("digits", n=HELD_OUT, offset=OFFSET)
    for kind, noise in KINDS.items():
        for n in counts:
            X = load_data("digits", n=n)
            for steps in _ladder(most):
                yield Setting(
                    FullyConnected(shape=X.shape[1:], width=width, depth=depth),
                    X,
                    scale.range(2, 2, 3),
                    levels={"kind": kind},
                    training={
                        "schedule": "constant",
                        "batch_size": BATCH,
                        "max_steps": steps,
                        "noise": noise,
                        "tol": NEVER,
                    },
                    measure=(partial(errors, held_out=held_out, noise=noise),),
                    interpolation=math.inf,
                )


def _ladder(most: int) -> list[int]:
    """Returns numbers of steps up to the most, each twice the one before, from 25 on."""
    return [25 * 2**k for k in range(int(math.log2(most / 25)) + 1)]


def errors(trained: Trained, *, held_out: Tensor, noise: float) -> Iterator[Row]:
    """Measures the mean squared error of training examples and of those held out."""
    for net, X, seed, _ in each_network(trained):
        width = noise * unit_of(X)
        yield {
            "train_error": denoising_error(net, X, width, seed),
            "held_out_error": denoising_error(net, held_out.to(X), width, seed),
        }


def first_below(steps: Sequence[float], values: Sequence[float], bound: float) -> float:
    """Finds the first number of steps at which a value is at most a bound; NaN if none is.

    The logarithms are interpolated. Values at the first place count from there.

    Example:
        >>> round(first_below([1, 4, 16], [4.0, 2.0, 0.5], 1.0), 6)
        8.0
    """
    for i, value in enumerate(values):
        if value <= bound:
            if i == 0 or value <= 0:
                return float(steps[i])
            a, b = math.log(values[i - 1] / bound), math.log(value / bound)
            x, y = math.log(steps[i - 1]), math.log(steps[i])
            return math.exp(x + (y - x) * a / (a - b))
    return math.nan


def times(runs: pl.DataFrame) -> pl.DataFrame:
    """Computes the times to generalize and to memorize of each path, a row for each.

    Columns: `kind`, `n`, `seed`, `generalizing`, `memorizing` (null where it did not come to it).
    """
    rows = []
    for (kind, n, seed), path in runs.group_by("kind", "n", "seed", maintain_order=True):
        path = path.filter("interpolated").sort("steps")
        steps, train, held = (
            path[name].to_list() for name in ("steps", "train_error", "held_out_error")
        )
        if not steps:
            continue
        ratio = [a / b for a, b in zip(train, held, strict=True)]
        rows.append(
            {
                "kind": kind,
                "n": n,
                "seed": seed,
                "generalizing": first_below(steps, held, GENERALIZED * min(held)),
                "memorizing": first_below(steps, ratio, MEMORIZED),
            }
        )
    schema = {
        "kind": pl.String,
        "n": pl.Int64,
        "seed": pl.Int64,
        "generalizing": pl.Float64,
        "memorizing": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col("memorizing").fill_nan(None))


def _exponent(found: pl.DataFrame, column: str) -> tuple[float, float]:
    known = found.drop_nulls(column)
    return log_slope(known["n"].to_list(), known[column].to_list())


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares the exponents of both times in the number of examples with what is stated."""
    for kind in runs["kind"].unique(maintain_order=True):
        found = times(runs.filter(pl.col("kind") == kind))
        slope, error = _exponent(found, "memorizing")
        known = found["memorizing"].drop_nulls().len()
        yield at_least(
            f"exponent of the time to memorize in n, less 1.96 standard errors, {kind}s",
            bound=0.0,
            measured=slope - Z95 * error,
            runs=0 if math.isnan(slope) else known,
        )
        slope, error = _exponent(found, "generalizing")
        yield at_most(
            f"size of the exponent of the time to generalize in n, {kind}s",
            bound=0.0,
            measured=abs(slope),
            tolerance=SLOWEST_GENERALIZATION,
            runs=0 if math.isnan(slope) else found.height,
        )


def note(runs: pl.DataFrame) -> str:
    """States both exponents with their errors, and where a network did not come to memorize."""
    parts = []
    for (kind,), found in times(runs).group_by("kind", maintain_order=True):
        slopes = [
            f"{words}: {slope:.2f} ± {Z95 * error:.2f}"
            for words, column in (("to memorize", "memorizing"), ("to generalize", "generalizing"))
            for slope, error in [_exponent(found, column)]
        ]
        missed = found["memorizing"].null_count()
        parts.append(
            f"{kind}s: exponent of the time {', '.join(slopes)}; {missed} of {found.height} "
            "networks did not come to memorize"
        )
    if not parts:
        return ""
    stopped = "Every training is stopped on purpose, and counts unless it diverged."
    return f"{'; '.join(parts)}. {stopped}"


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes both times against the number of examples."""
    found = times(runs).unpivot(
        ["generalizing", "memorizing"],
        index=["kind", "n", "seed"],
        variable_name="what",
        value_name="time",
    )
    return (
        Figure(
            found.drop_nulls("time"),
            Axis("n", "training examples", "log"),
            Axis("time", "steps", "log"),
            by="what",
            line="median",
            facet="kind",
            tooltip=("seed",),
            width=300,
            height=220,
        ),
    )


CLAIM = Claim(
    number=16,
    name="memorization-time",
    statement=(
        "The number of steps after which a network memorizes grows with the number of examples; "
        "that after which it generalizes does not."
    ),
    source="arXiv 2505.17638, for diffusion models; here denoisers and autoencoders",
    tolerance=(
        "The exponent of the time to memorize must lie above 0 by more than 1.96 standard errors; "
        "that of the time to generalize may be 0.25 either way, a quarter of growth in proportion: "
        "the source states that it does not depend on n, for models of another kind."
    ),
    regime=Regime(
        words=(
            "20 to 200 digits (with `long` to 1,400), width 256 (4 times the pixels), 4 layers, "
            "leaky_relu, Adam at a constant 1e-3 in batches of 20, PyTorch's first weights"
        ),
        source="a batch size and a rate that do not depend on n, as in the source",
    ),
    design=design,
    columns=COLUMNS,
    checks=checks,
    note=note,
    figures=figures,
    seconds=120,
)
