"""Iterating a network that interpolates leads from random starts to training examples.

What is found depends on where one starts, so starts come from several distributions, most of them
wider than the data (`mnemoscope.dynamics.starts`). An orbit ends at a training example if it comes
to an attractor within 1e-2 (RMS) of it, at a spurious attractor if to another one, and has not
settled if to none: it goes on moving after 10,000 steps, diverges, or comes to a state that does
not attract.
"""

from collections.abc import Iterator
from dataclasses import asdict

import polars as pl

from mnemoscope.claims import (
    Check,
    Claim,
    Counted,
    Row,
    Scale,
    Setting,
    Trained,
    each_network,
    each_value,
    nearly_all,
    rates_figure,
    share,
)
from mnemoscope.data import load_data
from mnemoscope.dynamics.outcomes import OUTCOME_COUNTS, count_outcomes_from_noise
from mnemoscope.dynamics.starts import STARTS
from mnemoscope.nets import FullyConnected
from mnemoscope.plots import Axis, Figure

BATCHES = 4
"""Mini-batches of an epoch. Full batches store far fewer examples of many; that is the subject of
another claim, `robust-to-training`."""

MOST_STEPS = 20_000

COUNTS = dict.fromkeys(OUTCOME_COUNTS, pl.Int64())


def design(scale: Scale) -> Iterator[Setting]:
    """Networks of 8 layers that interpolate n digits, from starts of every distribution."""
    width = scale.choose(32, 128, 256)
    starts = scale.choose(100, 500, 2_000)
    kinds = scale.choose(("uniform", "gaussian"), tuple(STARTS), tuple(STARTS))

    def ends(trained: Trained) -> Iterator[list[Row]]:
        for net, X, seed, converged in each_network(trained):
            counts = {}
            if converged:
                _, counts = count_outcomes_from_noise(net, X, kinds, starts, seed)
            yield [{"kind": kind, **(asdict(counts[kind]) if counts else {})} for kind in kinds]

    for n in scale.choose((5,), (5, 10, 20, 40), (5, 10, 20, 40, 80, 160)):
        X = load_data("digits", n=n)
        yield Setting(
            FullyConnected(shape=X.shape[1:], width=width, depth=8, activation="leaky_relu"),
            X,
            scale.range(2, 5, 20),
            training={"batch_size": max(1, n // BATCHES), "max_steps": MOST_STEPS},
            measure=("stored", ends),
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
    counted = runs.filter("interpolated")
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


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes where starts end against n, for each distribution."""
    counted = runs.filter("interpolated")
    x = Axis("n", "training examples", "log", ticks=tuple(counted["n"].unique().sort()))
    panels = {"facet": "kind"}
    return (rates_figure(counted, ENDS, x, "starts", panels, width=170, height=130),)


CLAIM = Claim(
    number=5,
    name="iteration",
    statement=(
        "Iterating a deep fully connected network that interpolates leads from random starts to "
        "training examples."
    ),
    source="arXiv 1810.10333, deep fully connected autoencoders",
    tolerance=(
        "0.05 below 1 for the share of starts: the source states no rate, and a claim does not "
        "hold as a rule if it fails in more than one of twenty cases. The sampling error is "
        "smaller: from 2,500 starts a share of 0.95 is known to 0.01 for these networks; for "
        "other networks see the interval in the figure, which counts networks."
    ),
    design=design,
    columns=COUNTS,
    rates={"share": ("at_examples", "starts")},
    checks=checks,
    note=note,
    figures=figures,
)
