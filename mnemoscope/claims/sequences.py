"""A network trained to map each example to the next stores the sequence as a stable limit cycle.

With `f(x_i) = x_(i+1)` and `f(x_n) = x_1` every example is a fixed point of `f^n`, and the cycle is
stable if the Jacobian of `f^n`, the product of the Jacobians at all examples, has spectral radius
below 1 (Radhakrishnan, Belkin, Uhler, arXiv 1909.12362). That asks something of the product, where
an autoencoder that stores the same examples one by one must contract at each. Several sequences in
one network are several cycles.

How strongly either contracts is compared by the step: `rho(f^n)^(1/n)` beside the geometric mean of
`rho` over the examples of the autoencoder from the same first weights, trained the same way. As
`rho(f^n)` by itself lies below `rho` as soon as both are below 1, only this comparison is fair to
the autoencoder; both are in the table.
"""

import math
from collections.abc import Sequence

import altair as alt
import polars as pl
import torch
from altair.typing import ChartType
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.stats import Z95, wilson
from mnemoscope.base.unit import unit_of
from mnemoscope.claims.checks import at_least, at_most
from mnemoscope.claims.claim import Check, Claim, Evidence
from mnemoscope.claims.rates import pooled
from mnemoscope.claims.scale import Scale
from mnemoscope.data import load_data
from mnemoscope.data.corruptions import corrupt
from mnemoscope.dynamics import find_attractors
from mnemoscope.dynamics.states import nearest, rms
from mnemoscope.dynamics.stored import MATCH_TOL
from mnemoscope.linalg import spectral_radius
from mnemoscope.maps import SelfMap
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.charts.theme import theme
from mnemoscope.training import train_replicas

MOST = 0.9
"""What counts as storing, recalling or reaching: nearly always. The sources tell no rate, and a
single spurious attractor or failed run is no contradiction."""

NOISE = 0.1
"""Standard deviation of the noise on corrupted examples; what an audit tells recall at."""

TRIALS = 5
"""Corrupted copies of each example."""

MOST_STEPS = 5_000
"""Steps after which an orbit counts as not settled, so neither recalled nor come to a cycle: one of
ten states that contracts by 0.97 a turn is settled by then."""

WIDTH, DEPTH = 128, 4
"""Some 50,000 weights, for the 640 numbers of ten digits."""

SHAPES = [(5, 1), (10, 1), (10, 2)]
"""Examples, and into how many sequences of equal length they are cut."""


def experiment(scale: Scale) -> Evidence:
    """Digits as sequences, and by the same networks one by one."""
    seeds = list(scale.range(2, 4, 50))
    starts = scale.choose(50, 100, 1000)
    rows = []
    for activation in scale.choose(QUICK, DEFAULT, LONG):
        spec = FullyConnected(shape=(1, 8, 8), width=WIDTH, depth=DEPTH, activation=activation)
        alone: dict[int, list[dict[str, object]]] = {}
        for n, count in scale.choose(SHAPES[::2], SHAPES, [*SHAPES, (20, 1), (20, 4)]):
            X = load_data("digits", n=n).to(scale.device)
            if n not in alone:
                alone[n] = _one_by_one(spec, X, seeds)
            together = _as_sequences(spec, X, successors(n, count), seeds, starts)
            rows += [
                {"activation": activation, "n": n, "sequences": count, "seed": seed, **own, **other}
                for seed, own, other in zip(seeds, together, alone[n], strict=True)
            ]
    runs = pl.DataFrame(rows)
    ended = runs.filter("interpolated")
    one = ended.filter(pl.col("sequences") == 1)
    several = ended.filter(pl.col("sequences") > 1)
    checks = (
        _share("runs that store one sequence as a stable cycle", one, "stored"),
        _share("runs that store each of several as a cycle of its own", several, "stored"),
        _share("runs with rho(f^n) below 1 at every example", ended, "contracts"),
        _share(
            f"corrupted examples (noise of {NOISE}) that end at their own cycle",
            ended,
            "recalled",
            "trials",
        ),
        _share("random starts that end at a stored cycle", ended, "reached", "starts"),
        *(
            _stronger(activation, ended.filter(pl.col("activation") == activation))
            for activation in runs["activation"].unique(maintain_order=True)
        ),
    )
    return Evidence(checks, runs, _note(ended))


QUICK = ("leaky_relu", "sigmoid")
DEFAULT = ("leaky_relu", "relu", "sigmoid", "tanh")
LONG = ("leaky_relu", "relu", "sigmoid", "selu", "tanh", "sin")


def successors(n: int, sequences: int) -> Int[Tensor, " n"]:
    """Which example follows each, with `n` of them cut into sequences of equal length.

    Example:
        >>> successors(4, 2).tolist()
        [1, 0, 3, 2]
    """
    return torch.arange(n).reshape(sequences, -1).roll(-1, 1).flatten()


def sequences_run_through(
    f: SelfMap,
    Z: Float[Tensor, "m *shape"],
    X: Float[Tensor, "n *shape"],
    after: Int[Tensor, " n"],
) -> Int[Tensor, " m"]:
    """The first example of the sequence that the orbit of each state runs through; -1 for none.

    It does if its states, once around, are within `MATCH_TOL` units (RMS) of the examples whose
    turn it is.
    """
    X, after = f.batch(X), after.to(f.device)
    first = torch.arange(len(X), device=f.device)
    turn = after
    period = 1
    while not bool((turn == torch.arange(len(X), device=f.device)).all()):
        first = torch.minimum(first, turn)
        turn, period = after[turn], period + 1
    example, distance = nearest(f.batch(Z), X)
    found = first[example]
    within = MATCH_TOL * unit_of(X)
    on = distance <= within
    for _ in range(period):
        Z, example = f(Z), after[example]
        on &= rms(Z - X[example]) <= within
    return torch.where(on, found, -1)


def _as_sequences(
    spec: FullyConnected,
    X: Tensor,
    after: Tensor,
    seeds: Sequence[int],
    starts: int,
) -> list[dict[str, object]]:
    """What each network does that was trained to map every example to the one after it."""
    fits = train_replicas(spec, X, seeds=seeds, targets=X[after], device=X.device)
    found = []
    for r, net in enumerate(fits):
        row = _followed(net, X, after, starts, seed=seeds[r])
        found.append({"loss": float(fits.loss[r]), "interpolated": bool(fits.converged[r]), **row})
    return found


def _followed(
    net: Network, X: Tensor, after: Tensor, starts: int, *, seed: int
) -> dict[str, object]:
    f = SelfMap(net)
    n = len(X)
    length = len(_around(after))
    radii = spectral_radius(f.to(torch.float64) ** length, X).cpu()
    corrupted = corrupt(X.cpu(), "gaussian", NOISE, seed=seed, trials=TRIALS).flatten(0, 1)
    generator = torch.Generator().manual_seed(seed)
    random = torch.rand(starts, *X.shape[1:], generator=generator)
    states = torch.cat([X.cpu(), corrupted, random])
    census = find_attractors(f, states, X, max_steps=MOST_STEPS)
    through = sequences_run_through(f, census.attractors, X, after)
    through = torch.where(census.period == length, through, -1).cpu()
    labels = census.labels.cpu()
    ends = torch.where(labels >= 0, torch.cat([through, through.new_tensor([-1])])[labels], -1)
    own = sequences_run_through(f, X, X, after).cpu()
    at_examples, at_corrupted, at_random = ends.split([n, len(corrupted), starts])
    recalled = int((at_corrupted.view(TRIALS, n) == own).logical_and(own >= 0).sum())
    reached = int((at_random >= 0).sum())
    return {
        "period": length,
        "stored": bool(((at_examples == own) & (own >= 0)).all()),
        "contracts": bool((radii < 1).all()),
        "radius": float(radii.max()),
        "rate": float(radii.log().mean().exp()) ** (1 / length),
        **_counted("recalled", recalled, "trials", len(corrupted)),
        **_counted("reached", reached, "starts", starts),
        "attractors": len(census.period),
    }


def _around(after: Tensor) -> list[int]:
    """The first sequence, as the numbers of its examples."""
    found = [0]
    while int(after[found[-1]]) != 0:
        found.append(int(after[found[-1]]))
    return found


def _counted(name: str, count: int, total_name: str, total: int) -> dict[str, object]:
    low, high = wilson(count, total)
    return {
        name: count, total_name: total, f"{name}_low": float(low), f"{name}_high": float(high)
    }  # fmt: skip


def _one_by_one(spec: FullyConnected, X: Tensor, seeds: Sequence[int]) -> list[dict[str, object]]:
    """How the autoencoder from the same first weights contracts at the examples."""
    fits = train_replicas(spec, X, seeds=seeds, device=X.device)
    radii = torch.stack([spectral_radius(net, X, dtype=torch.float64).cpu() for net in fits])
    return [
        {
            "alone_interpolated": bool(fits.converged[r]),
            "alone_rate": float(own.log().mean().exp()),
            "alone_radius": float(own.max()),
            "alone_attracting": int((own < 1).sum()),
        }
        for r, own in enumerate(radii)
    ]


def _share(what: str, runs: pl.DataFrame, column: str, total: str | None = None) -> Check:
    count = int(runs[column].sum())
    of = runs.height if total is None else int(runs[total].sum())
    return at_least(
        f"share of {what}",
        bound=MOST,
        measured=count / of if of else float("nan"),
        runs=runs.height,
    )


def _stronger(activation: str, runs: pl.DataFrame) -> Check:
    """Whether the mean of the paired differences lies below 0 by more than its uncertainty."""
    differences = paired_differences(runs)
    return at_most(
        f"log of the rate by the step, sequence less one by one: mean + 1.96 standard errors, "
        f"{activation}",
        bound=0.0,
        measured=upper_end(differences),
        runs=len(differences) if len(differences) > 1 else 0,
    )


def paired_differences(runs: pl.DataFrame) -> list[float]:
    """Log of the rate as a sequence less that one by one; runs with one autoencoder count once."""
    found = (
        runs.filter("alone_interpolated")
        .with_columns((pl.col("rate") / pl.col("alone_rate")).log().alias("difference"))
        .group_by("activation", "n", "seed", maintain_order=True)
        .agg(pl.col("difference").mean())
    )
    return found["difference"].to_list()


def upper_end(values: Sequence[float]) -> float:
    """The upper end of the 95% interval of a mean, by its standard error; NaN for fewer than two.

    Example:
        >>> round(upper_end([-1.0, -3.0]), 3)
        -0.04
    """
    n = len(values)
    if n < 2:
        return float("nan")
    mean = math.fsum(values) / n
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return mean + Z95 * math.sqrt(variance / n)


def _note(runs: pl.DataFrame) -> str:
    if not runs.height:
        return ""
    stored = ", ".join(
        f"{name} {int(group['stored'].sum())} of {group.height}"
        for (name,), group in runs.group_by("activation", maintain_order=True)
    )
    pairs = runs.filter("alone_interpolated").unique(["activation", "n", "seed"])
    alone = int((pairs["alone_attracting"] == pairs["n"]).sum())
    agreeing = int((runs["stored"] == runs["contracts"]).sum())
    return (
        f"Stored: {stored}; in {agreeing} of {runs.height} runs just where rho(f^n) is below 1. "
        f"The same examples one by one all attract in {alone} of {pairs.height}."
    )


def figure(runs: pl.DataFrame) -> ChartType:
    """How strongly sequences and single examples contract, and what is recalled and reached."""
    base = alt.Chart(chart_data(runs))
    rates = (runs[name].drop_nulls().to_list() for name in ("rate", "alone_rate"))
    low = min(min(values, default=0.0) for values in rates)
    domain = [max(0.0, low - 0.02), 1.1]
    scale = alt.Scale(domain=domain, clamp=True, zero=False)
    diagonal = (
        alt.Chart(alt.InlineData(values=[{"at": end} for end in domain]))
        .mark_line(strokeDash=[4, 3], opacity=0.5, color="gray")
        .encode(x=alt.X("at:Q", scale=scale), y=alt.Y("at:Q", scale=scale))
    )
    points = base.mark_point(filled=True, opacity=0.7).encode(
        x=alt.X("alone_rate:Q", scale=scale, title="one by one: mean spectral radius"),
        y=alt.Y("rate:Q", scale=scale, title="as a sequence, by the step"),
        color=alt.Color("activation:N"),
        shape=alt.Shape("sequences:N", title="sequences"),
        tooltip=["activation:N", "n:Q", "sequences:Q", "seed:Q", "radius:Q", "alone_radius:Q"],
    )
    shares = alt.Chart(chart_data(_shares(runs)))
    place = shares.encode(
        y=alt.Y("activation:N", title=None),
        yOffset=alt.YOffset("sort:N"),
        color=alt.Color("activation:N"),
    )
    whiskers = place.mark_rule().encode(
        x=alt.X("rate_low:Q", scale=alt.Scale(domain=[0, 1]), title="share, with its 95% interval"),
        x2="rate_high:Q",
    )
    dots = place.mark_point(filled=True).encode(
        x="rate:Q", shape=alt.Shape("sort:N", title=None), tooltip=["count:Q", "total:Q"]
    )
    size = {"width": 260, "height": 240}
    return (
        alt.hconcat((diagonal + points).properties(**size), (whiskers + dots).properties(**size))
        .resolve_scale(shape="independent")
        .configure(**theme())
    )


def _shares(runs: pl.DataFrame) -> pl.DataFrame:
    """Shares over all runs that interpolate, with their intervals."""
    sorts = {
        "stored": ("stored", "one"),
        "recalled": ("recalled", "trials"),
        "reached at random": ("reached", "starts"),
    }
    counted = runs.filter("interpolated").with_columns(pl.lit(1).alias("one"))
    return pl.concat(
        pooled(
            counted.select(
                "activation", pl.col(column).cast(pl.Int64).alias("count"),
                pl.col(total).cast(pl.Int64).alias("total"),
            ),
            ["activation"], "count", "total", "rate",
        ).with_columns(pl.lit(sort).alias("sort"))
        for sort, (column, total) in sorts.items()
    )  # fmt: skip


CLAIM = Claim(
    number=10,
    name="sequences",
    statement=(
        "Trained to map each example to the next, a network stores the sequence as a stable limit "
        "cycle, several as several, and contracts more than on the same examples one by one."
    ),
    source="arXiv 1909.12362, sequence encoding",
    tolerance=(
        "Storing, recalling and reaching mean nearly always: 9 in 10, over all activations, since "
        "the source tells no rate and a single failed run is no contradiction. That sequences "
        "contract more must be true of the mean over pairs of runs, from the same first weights, "
        "by more than 1.96 standard errors of it, for each activation; by the step, see the module."
    ),
    experiment=experiment,
    figure=figure,
)
