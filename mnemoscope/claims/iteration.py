"""Iterating a network that interpolates leads from random starts to training examples.

What is found depends on where one starts, so starts come from several distributions, most of them
wider than the data (`mnemoscope.dynamics.starts`). An orbit ends at a training example if it comes
to an attractor within 1e-2 (RMS) of it, at a spurious attractor if to another one, and has not
settled if to none: it goes on moving after 10,000 steps, diverges, or comes to a state that does
not attract.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product

import polars as pl

from mnemoscope.claims import (
    FULL_BATCHES,
    Check,
    Claim,
    Counted,
    Regime,
    Row,
    Scale,
    Setting,
    Trained,
    each_network,
    each_value,
    listed,
    nearly_all,
    phase_diagram,
    rates_figure,
    share,
)
from mnemoscope.data import load_data
from mnemoscope.dynamics.outcomes import OUTCOME_COUNTS, count_outcomes_from_noise
from mnemoscope.dynamics.starts import STARTS
from mnemoscope.nets import FullyConnected
from mnemoscope.plots import Axis, Figure

PARTS = 4
"""Mini-batches of a pass."""

WIDTH, DEPTH = 256, 8
"""The network of the regime: 428,000 parameters for the 2,560 numbers of 40 digits."""

MOST_STEPS = 20_000
"""Steps after which a network has not interpolated; by default a quarter of them in the reach."""

COUNTS = dict.fromkeys(OUTCOME_COUNTS, pl.Int64())


def design(scale: Scale) -> Iterator[Setting]:
    """Yields networks of the regime on n digits, and smaller ones and full batches as reach."""
    width, depth = scale.choose((32, 4), (WIDTH, DEPTH), (WIDTH, DEPTH))
    counts = scale.choose((5,), (5, 10, 20, 40), (5, 10, 20, 40, 80))
    for n in counts:
        yield _setting(scale, n, width, depth, scale.range(2, 3, 5), parts=PARTS, in_regime=True)
    seeds = scale.range(1, 3, 3)
    beyond = scale.choose((5,), (10,), (10, 20, 40))
    for n in beyond:
        yield _setting(scale, n, width, depth, seeds, parts=1)
    others: dict[str, Sequence[tuple[int, int]]] = {
        "quick": (),
        "default": ((128, 8), (WIDTH, 4)),
        "long": (*product((32, 64, 128, 512), (4, 8, 12)), (WIDTH, 4), (WIDTH, 12)),
    }
    for (width, depth), n in product(others[scale.effort], beyond):
        yield _setting(scale, n, width, depth, seeds, parts=PARTS)


def _setting(
    scale: Scale,
    n: int,
    width: int,
    depth: int,
    seeds: Sequence[int],
    *,
    parts: int,
    in_regime: bool = False,
) -> Setting:
    starts = scale.choose(100, 500, 1_000)
    kinds = scale.choose(("uniform", "gaussian"), tuple(STARTS), tuple(STARTS))

    def ends(trained: Trained) -> Iterator[list[Row]]:
        for net, X, seed, converged in each_network(trained):
            counts = {}
            if converged:
                _, counts = count_outcomes_from_noise(net, X, kinds, starts, seed)
            yield [{"kind": kind, **(asdict(counts[kind]) if counts else {})} for kind in kinds]

    X = load_data("digits", n=n)
    most = MOST_STEPS if in_regime or scale.effort == "long" else MOST_STEPS // 4
    return Setting(
        FullyConnected(shape=X.shape[1:], width=width, depth=depth, activation="leaky_relu"),
        X,
        seeds,
        training={"batch_size": max(1, n // parts), "max_steps": most},
        measure=("stored", ends),
        in_regime=in_regime,
    )


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares the starts that end at training examples with all, by n and by distribution."""
    words = {
        "n": "share of starts that end at training examples, n = {}",
        "kind": "the same from {} starts, every n",
    }
    for column, what in words.items():
        for value, those in each_value(runs, column):
            networks = those.select("n", "seed").n_unique()
            yield nearly_all(what.format(value), those, "at_examples", "starts", networks=networks)


def note(runs: pl.DataFrame) -> str:
    """States what is stored, and where the other starts end."""
    counted = runs.filter("interpolated", "in_regime")
    if counted.is_empty():
        return "No network interpolated."
    parts = []
    for (n,), at_n in counted.group_by("n", maintain_order=True):
        networks = at_n.unique("seed")
        parts.append(
            f"n = {n}: {networks['stored'].sum()} of {networks['n'].sum()} examples stored, "
            f"{share(at_n, 'spurious', 'starts'):.1%} of starts at spurious attractors, "
            f"{share(at_n, 'not_settled', 'starts'):.1%} not settled; one distribution reaches "
            f"{at_n['examples_reached'].min()} to {at_n['examples_reached'].max()} examples"
        )
    every = counted.filter(pl.col("stored") == pl.col("n"))
    others = counted.filter(pl.col("stored") < pl.col("n"))
    if every.height and others.height:
        parts.append(
            f"Of networks that store all their examples {share(every, 'spurious', 'starts'):.1%} "
            f"of {every['starts'].sum():,} starts end at spurious attractors, of the others "
            f"{share(others, 'spurious', 'starts'):.1%} of {others['starts'].sum():,}"
        )
    return ". ".join(parts) + "."


ENDS = {
    "at a training example": Counted("at_examples", "starts", "stored"),
    "at a spurious attractor": Counted("spurious", "starts", "spurious"),
    "not settled": Counted("not_settled", "starts", "unsettled"),
}
"""The ends of orbits."""


def reach(runs: pl.DataFrame) -> str:
    """States the share of starts that end at examples with other networks and full batches."""
    beyond = runs.filter("interpolated", ~pl.col("in_regime"))
    kind = {"of starts at examples": Counted("at_examples", "starts")}
    parts = {
        "Full batches": beyond.filter(FULL_BATCHES),
        f"Batches of n / {PARTS}": beyond.filter(~FULL_BATCHES),
    }
    return " ".join(
        f"{words}: {listed(those, ['depth', 'width', 'n'], kind)}."
        for words, those in parts.items()
        if those.height
    )


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes where starts end against n in the regime, and how often at examples elsewhere."""
    counted = runs.filter("interpolated")
    inside = counted.filter("in_regime")
    x = Axis("n", "training examples", "log", ticks=tuple(inside["n"].unique().sort()))
    cells = counted.sort("depth", "width", ~FULL_BATCHES, "n").with_columns(
        network=pl.format(
            "{} × {}{}",
            "width",
            "depth",
            pl.when(FULL_BATCHES).then(pl.lit(", full batches")).otherwise(pl.lit("")),
        )
    )
    return (
        rates_figure(inside, ENDS, x, "starts", {"facet": "kind"}, width=170, height=130),
        phase_diagram(
            cells,
            ENDS["at a training example"],
            Axis("n", "training examples", "category"),
            Axis("network", "width × depth", "category"),
            "starts that end at examples",
        ),
    )


CLAIM = Claim(
    number=5,
    name="iteration",
    statement=(
        "Iterating an overparameterized deep fully connected network that interpolates leads from "
        "random starts to training examples."
    ),
    source="arXiv 1810.10333, deep fully connected autoencoders",
    tolerance=(
        "0.05 below 1 for the share of starts: the source states no rate, and a claim does not "
        "hold as a rule if it fails in more than one of twenty cases. The sampling error is "
        "smaller: from 2,500 starts a share of 0.95 is known to 0.01 for these networks; for "
        "other networks see the interval in the figure, which counts networks."
    ),
    regime=Regime(
        words=(
            "5 to 40 digits (with `long` 80 as well), width 256 (4 times the pixels), 8 layers, "
            "leaky_relu; Adam 1e-3 in batches of n / 4, PyTorch's first weights"
        ),
        source="the paper's deep fully connected networks; PyTorch's defaults",
    ),
    design=design,
    columns=COUNTS,
    rates={"share": ("at_examples", "starts")},
    checks=checks,
    note=note,
    reach=reach,
    figures=figures,
    seconds=80,
)
