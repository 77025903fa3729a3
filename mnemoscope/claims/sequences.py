"""A network trained to map each example to the next stores the sequence as a stable limit cycle.

With `f(x_i) = x_(i+1)` and `f(x_n) = x_1` every example is a fixed point of `f^n`, and the cycle is
stable if the Jacobian of `f^n`, the product of the Jacobians at all examples, has spectral radius
below 1 (Radhakrishnan, Belkin, Uhler, arXiv 1909.12362). That asks something of the product, where
an autoencoder that stores the same examples one by one must contract at each. Several sequences in
one network are several cycles.

How strongly either contracts is compared by the step: `rho(f^n)^(1/n)` and the geometric mean of
`rho` over the examples of the autoencoder from the same first weights, trained the same way. As
`rho(f^n)` by itself lies below `rho` as soon as both are below 1, only this comparison is fair to
the autoencoder; both are in the table.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from statistics import fmean

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.stats import Z95
from mnemoscope.base.unit import unit_of
from mnemoscope.claims import (
    NETWORK,
    Check,
    Claim,
    Counted,
    Regime,
    Row,
    Scale,
    Setting,
    Trained,
    at_least,
    at_most,
    each_network,
    each_value,
    listed,
    phase_diagram,
    share,
    shares,
    trained,
)
from mnemoscope.data import load_data
from mnemoscope.data.corruptions import corrupt
from mnemoscope.dynamics import find_attractors
from mnemoscope.dynamics.states import nearest, rms
from mnemoscope.dynamics.stored import MATCH_TOL
from mnemoscope.linalg import spectral_radius
from mnemoscope.maps import SelfMap
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.plots import Axis, Figure, Reference

MOST = 0.9
"""The share that counts as storing, recalling or reaching: nearly always. The sources give no rate,
and a single spurious attractor or failed run is no contradiction."""

NOISE = 0.1
"""Standard deviation of the noise on corrupted examples; the one at which an audit reports recall.
"""

TRIALS = 5
"""Corrupted copies of each example."""

MOST_STEPS = 5_000
"""Steps after which an orbit counts as not settled, so neither recalled nor come to a cycle: one of
ten states that contracts by 0.97 a turn is settled by then."""

WIDTH, DEPTH = 256, 4
"""The network of the regime: 165,000 parameters for the 640 numbers of ten digits."""

OTHERS = ((64, 4), (128, 4), (256, 8))
"""Width and depth of the networks of the reach; the first only with `long`."""

SHAPES = [(5, 1), (10, 1), (10, 2)]
"""Examples, and into how many sequences of equal length they are cut."""

QUICK = ("leaky_relu", "sigmoid")
DEFAULT = ("leaky_relu", "relu", "sigmoid", "tanh")
LONG = ("leaky_relu", "relu", "sigmoid", "selu", "tanh", "sin")


def design(scale: Scale) -> Iterator[Setting]:
    """Yields digits as sequences, and by the same networks one by one."""
    shapes = scale.choose(SHAPES[::2], SHAPES, [*SHAPES, (20, 1), (20, 4)])
    network = scale.choose((64, 4), (WIDTH, DEPTH), (WIDTH, DEPTH))
    for activation in scale.choose(QUICK, DEFAULT, LONG):
        seeds = scale.range(2, 4, 8)
        yield from _network(scale, activation, network, shapes, seeds, in_regime=True)
    others = product(
        scale.choose(QUICK[:1], QUICK[:1], LONG), scale.choose(((32, 4),), OTHERS[1:], OTHERS)
    )
    for activation, network in others:
        # Ten digits, in one sequence and in two.
        yield from _network(scale, activation, network, shapes[1:], scale.range(1, 2, 2))


def _network(
    scale: Scale,
    activation: str,
    network: tuple[int, int],
    shapes: Sequence[tuple[int, int]],
    seeds: Sequence[int],
    *,
    in_regime: bool = False,
) -> Iterator[Setting]:
    """Yields one network with sequences of every shape."""
    width, depth = network
    spec = FullyConnected(shape=(1, 8, 8), width=width, depth=depth, activation=activation)
    starts = scale.choose(50, 50, 200)
    alone: dict[int, list[Row]] = {}
    for n, count in shapes:
        X, after = load_data("digits", n=n), successors(n, count)
        if n not in alone:
            alone[n] = list(one_by_one(trained(Setting(spec, X, seeds), scale.device)))
        yield Setting(
            spec,
            X,
            seeds,
            levels={"sequences": count},
            targets=X[after],
            measure=(
                partial(as_sequences, after=after, starts=starts),
                lambda _, rows=alone[n]: rows,
            ),
            in_regime=in_regime,
        )


def successors(n: int, sequences: int) -> Int[Tensor, " n"]:
    """Returns the example that follows each, with `n` of them cut into sequences of equal length.

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
    """Finds the first example of the sequence that each state's orbit runs through; -1 for none.

    It runs through it if its states, once around, are within `MATCH_TOL` units (RMS) of the
    examples whose turn it is.
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


def as_sequences(networks: Trained, *, after: Tensor, starts: int) -> Iterator[Row]:
    """Measures each network that was trained to map every example to the one after it."""
    for net, X, seed, _ in each_network(networks):
        yield _followed(net, X, after, starts, seed=seed)


def _followed(net: Network, X: Tensor, after: Tensor, starts: int, *, seed: int) -> Row:
    f = SelfMap(net)
    n = len(X)
    length = len(_around(after))
    radii = spectral_radius(f.to(torch.float64) ** length, X).cpu()
    corrupted = corrupt(X.cpu(), "gaussian", NOISE, seed=seed, trials=TRIALS).flatten(0, 1)
    random = torch.rand(starts, *X.shape[1:], generator=torch.Generator().manual_seed(seed))
    census = find_attractors(f, torch.cat([X.cpu(), corrupted, random]), X, max_steps=MOST_STEPS)
    through = sequences_run_through(f, census.attractors, X, after)
    through = torch.where(census.period == length, through, -1).cpu()
    labels = census.labels.cpu()
    ends = torch.where(labels >= 0, torch.cat([through, through.new_tensor([-1])])[labels], -1)
    own = sequences_run_through(f, X, X, after).cpu()
    at_examples, at_corrupted, at_random = ends.split([n, len(corrupted), starts])
    return {
        "period": length,
        "stored": bool(((at_examples == own) & (own >= 0)).all()),
        "contracts": bool((radii < 1).all()),
        "radius": float(radii.max()),
        "rate": float(radii.log().mean().exp()) ** (1 / length),
        "recalled": int((at_corrupted.view(TRIALS, n) == own).logical_and(own >= 0).sum()),
        "trials": len(corrupted),
        "reached": int((at_random >= 0).sum()),
        "starts": starts,
        "attractors": len(census.period),
    }


def _around(after: Tensor) -> list[int]:
    """Returns the first sequence, as the numbers of its examples."""
    found = [0]
    while int(after[found[-1]]) != 0:
        found.append(int(after[found[-1]]))
    return found


def one_by_one(networks: Trained) -> Iterator[Row]:
    """Measures how the autoencoder from the same first weights contracts at the examples."""
    for net, X, _, converged in each_network(networks):
        radii = spectral_radius(net, X, dtype=torch.float64).cpu()
        yield {
            "alone_interpolated": converged,
            "alone_rate": float(radii.log().mean().exp()),
            "alone_radius": float(radii.max()),
            "alone_attracting": int((radii < 1).sum()),
        }


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares what is stored, recalled and reached, and how strongly sequences contract."""
    ended = runs.filter("interpolated")
    one, several = (ended.filter(which) for which in (ONE, ~ONE))
    for what, those, count, total in (
        ("runs that store one sequence as a stable cycle", one, "stored", None),
        ("runs that store each of several as a cycle of its own", several, "stored", None),
        ("runs with rho(f^n) below 1 at every example", ended, "contracts", None),
        (
            f"corrupted examples (noise of {NOISE}) that end at their own cycle",
            ended,
            "recalled",
            "trials",
        ),
        ("random starts that end at a stored cycle", ended, "reached", "starts"),
    ):
        measured = share(those, count, total)
        yield at_least(f"share of {what}", bound=MOST, measured=measured, runs=those.height)
    for activation, those in each_value(runs, "activation"):
        # The mean of the paired differences lies below 0 by more than its uncertainty.
        differences = paired_differences(those)
        yield at_most(
            f"log of the rate by the step, sequence less one by one: mean + 1.96 standard errors, "
            f"{activation}",
            bound=0.0,
            measured=upper_end(differences),
            runs=len(differences) if len(differences) > 1 else 0,
        )


ONE = pl.col("sequences") == 1


def paired_differences(runs: pl.DataFrame) -> list[float]:
    """Computes the log of the rate as a sequence less that one by one.

    Runs that share an autoencoder count once.
    """
    found = (
        runs.filter("alone_interpolated")
        .with_columns((pl.col("rate") / pl.col("alone_rate")).log().alias("difference"))
        .group_by("activation", "n", "seed", maintain_order=True)
        .agg(pl.col("difference").mean())
    )
    return found["difference"].to_list()


def upper_end(values: Sequence[float]) -> float:
    """Computes the upper end of the 95% interval of a mean, by its standard error.

    NaN for fewer than two values.

    Example:
        >>> round(upper_end([-1.0, -3.0]), 3)
        -0.04
    """
    if len(values) < 2:
        return math.nan
    mean, n = fmean(values), len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return mean + Z95 * math.sqrt(variance / n)


def note(runs: pl.DataFrame) -> str:
    """States what is stored by activation in the regime, and what attracts one by one."""
    ended = runs.filter("interpolated", "in_regime")
    if not ended.height:
        return ""
    stored = ", ".join(
        f"{name} {int(group['stored'].sum())} of {group.height}"
        for (name,), group in ended.group_by("activation", maintain_order=True)
    )
    pairs = ended.filter("alone_interpolated").unique(["activation", "n", "seed"])
    alone = int((pairs["alone_attracting"] == pairs["n"]).sum())
    agreeing = int((ended["stored"] == ended["contracts"]).sum())
    return (
        f"Stored: {stored}; in {agreeing} of {ended.height} runs just where rho(f^n) is below 1. "
        f"The same examples one by one all attract in {alone} of {pairs.height}."
    )


STORED = Counted("stored", "one")


def _counted(runs: pl.DataFrame) -> pl.DataFrame:
    """Returns the runs that count, with columns for what `STORED` counts, and the network."""
    return runs.filter("interpolated").with_columns(
        NETWORK,
        pl.col("stored").cast(pl.Int64),
        one=pl.lit(1, pl.Int64),
    )


def reach(runs: pl.DataFrame) -> str:
    """States the share of runs that store every sequence in other networks."""
    beyond = _counted(runs.filter(~pl.col("in_regime")))
    return f"{listed(beyond, ['network', 'activation'], {'stored': STORED})}."


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes contraction of sequences and single examples, what is recalled, and the reach."""
    every, runs = runs, runs.filter("in_regime")
    rates = (runs[name].drop_nulls().to_list() for name in ("rate", "alone_rate"))
    domain = (max(0.0, min(min(values, default=0.0) for values in rates) - 0.02), 1.1)
    counted = _counted(runs)
    kinds = {
        "stored": STORED,
        "recalled": Counted("recalled", "trials"),
        "reached at random": Counted("reached", "starts"),
    }
    return (
        Figure(
            runs,
            Axis("alone_rate", "one by one: mean spectral radius", domain=domain),
            Axis("rate", "as a sequence, by the step", domain=domain),
            by="activation",
            shape="sequences",
            theory=Reference(diagonal=True),
            titles={"sequences": "sequences"},
            tooltip=("n", "seed", "radius", "alone_radius"),
            height=240,
        ),
        Figure(
            shares(counted, ["activation"], kinds),
            Axis("share", "share, with its 95% interval", "share"),
            Axis("activation", "", "category"),
            by="activation",
            shape="what",
            offset="what",
            interval=True,
            height=240,
        ),
        phase_diagram(
            _counted(every).sort("depth", "width", maintain_order=True),
            STORED,
            Axis("network", "width × depth", "category"),
            Axis("activation", "", "category"),
            "runs that store every sequence",
        ),
    )


CLAIM = Claim(
    number=10,
    name="sequences",
    statement=(
        "Trained to map each example to the next, an overparameterized network stores the sequence "
        "as a stable limit cycle, several as several, and contracts more than on the same examples "
        "one by one."
    ),
    source="arXiv 1909.12362, sequence encoding",
    tolerance=(
        "Storing, recalling and reaching must succeed in 9 of 10 cases, over all activations, "
        "since the source states no rate and one failed run is no contradiction. Sequences must "
        "contract more in the mean over pairs of runs with the same initial weights, by more than"
        " 1.96 standard errors, for each activation; the rate is that of one step, see the "
        "module."
    ),
    regime=Regime(
        words=(
            "5 and 10 digits (with `long` 20 as well) in one or two sequences, width 256 (4 times "
            "the pixels), 4 layers, every activation: 165,000 parameters for 640 numbers; Adam "
            "1e-3 in full batches, PyTorch's first weights"
        ),
        source="the source's fully connected sequence encoders; PyTorch's defaults",
    ),
    design=design,
    rates={"recalled_share": ("recalled", "trials"), "reached_share": ("reached", "starts")},
    checks=checks,
    note=note,
    reach=reach,
    figures=figures,
    seconds=200,
)
