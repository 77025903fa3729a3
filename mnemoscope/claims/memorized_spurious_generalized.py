"""As its training set grows, what a denoiser generates is memorized, then spurious, then new.

Pham, Raya, Negri, Zaki, Ambrogioni and Krotov (arXiv 2505.21777) see diffusion models as
associative memories: with few examples samples are training examples; beyond the capacity they are
states that no training example is near, though samples come to them again and again; with many
examples they are new. Here the denoisers are networks that are not given the noise level, trained
on inputs with noise of all levels up to `NOISE` units, and samples are drawn by
`mnemoscope.dynamics.annealing`.

Two states count as one within `tau`: half of the distance that 95 of 100 held-out examples have at
least to the nearest of all training examples. So a genuine new example is hardly ever taken for a
memorized one. The source sets its thresholds by the distances of samples; this one is set before
anything is trained. Sampling ends at a noise level of `tau`, below which two states are one.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.unit import unit_of
from mnemoscope.claims import (
    Check,
    Claim,
    Counted,
    Regime,
    Row,
    Scale,
    Setting,
    Trained,
    at_least,
    each_network,
    listed,
    nearly_none,
    rates_figure,
    share,
)
from mnemoscope.claims.denoising import HELD_OUT, NEVER, OFFSET, denoising_error
from mnemoscope.data import load_data
from mnemoscope.dynamics.annealing import Annealing, anneal
from mnemoscope.dynamics.sample_kinds import sample_kinds
from mnemoscope.dynamics.states import nearest
from mnemoscope.maps import SelfMap
from mnemoscope.nets import FullyConnected
from mnemoscope.plots import Axis, Figure

NOISE = 1.0
"""The largest standard deviation of the noise on inputs, in units; samples start there."""

CROPS = 2000
"""Crops of photographs in the largest training set of them; the 300 after them are held out."""

MOST = 0.5
"""A kind prevails where it has at least this share."""

NEW = 0.05
"""The share of held-out examples that may be nearer than twice `tau`."""

COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(
        (
            "memorized",
            "spurious",
            "generalized",
            "samples",
            "incomplete",
            "taken_for_known",
            "held_out",
        ),
        pl.Int64(),
    ),
    **dict.fromkeys(("train_error", "held_out_error", "tau"), pl.Float64()),
}
"""Samples of each kind; held-out examples that count as memorized or spurious; errors from inputs
with noise, mean squares."""


def design(scale: Scale) -> Iterator[Setting]:
    """Yields denoisers of more and more digits, and with `long` of crops of photographs."""
    counts = scale.choose(
        (2, 20, 200), (2, 20, 50, 200, 1400), (2, 5, 10, 20, 50, 100, 200, 500, 1400)
    )
    everything = load_data("digits", n=OFFSET)
    held_out = load_data("digits", n=HELD_OUT, offset=OFFSET)
    seeds = scale.range(1, 2, 2)
    yield from _settings(scale, "digits", everything, held_out, counts, seeds)
    if scale.effort == "long":
        crops = load_data("photos", n=CROPS + HELD_OUT, size=8, gray=True)
        pictures, unseen = crops[:CROPS], crops[CROPS:]
        counts = (2, 20, 200, CROPS)
        yield from _settings(
            scale, "photos", pictures, unseen, counts, scale.range(1, 1, 1), in_regime=False
        )


def _settings(
    scale: Scale,
    data: str,
    everything: Float[Tensor, "n *shape"],
    held_out: Float[Tensor, "m *shape"],
    counts: Sequence[int],
    seeds: Sequence[int],
    *,
    in_regime: bool = True,
) -> Iterator[Setting]:
    width, depth = scale.choose((128, 3), (256, 4), (512, 5))
    tau = same_within(everything, held_out)
    for n in counts:
        yield Setting(
            FullyConnected(shape=everything.shape[1:], width=width, depth=depth),
            everything[:n],
            seeds,
            levels={"data": data},
            training={
                "schedule": "cosine",
                "batch_size": min(n, 50),
                "max_steps": scale.choose(1_000, 4_000, 8_000),
                "noise": NOISE,
                "tol": NEVER,
            },
            measure=(
                partial(
                    generated, held_out=held_out, tau=tau, samples=scale.choose(100, 500, 1_000)
                ),
            ),
            interpolation=math.inf,
            in_regime=in_regime,
        )


def same_within(
    everything: Float[Tensor, "n *shape"], held_out: Float[Tensor, "m *shape"]
) -> float:
    """Returns `tau`: half the distance that 95 of 100 held-out examples have from the others."""
    return float(nearest(held_out, everything)[1].quantile(NEW)) / 2


def generated(trained: Trained, *, held_out: Tensor, tau: float, samples: int) -> Iterator[Row]:
    """Counts the kinds of samples, and measures the errors of each denoiser."""
    for net, X, seed, _ in each_network(trained):
        f, unseen, width = SelfMap(net), held_out.to(X), NOISE * unit_of(X)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(samples, *X.shape[1:], generator=generator).to(X)
        starts = X.mean() + width * noise
        drawn, complete = anneal(f, starts, Annealing(until=tau), seed=seed)
        drawn = drawn[complete]
        kinds, known = sample_kinds(drawn, X, tau=tau), sample_kinds(unseen, X, tau=tau)
        yield {
            **{kind: int(getattr(kinds, kind).sum()) for kind in KINDS},
            "samples": len(drawn),
            "incomplete": int((~complete).sum()),
            "taken_for_known": int((~known.generalized).sum()),
            "held_out": len(unseen),
            "train_error": denoising_error(net, X, width, seed),
            "held_out_error": denoising_error(net, unseen, width, seed),
            "tau": tau,
        }


KINDS = {
    "memorized": Counted("memorized", "samples", "stored"),
    "spurious": Counted("spurious", "samples", "spurious"),
    "generalized": Counted("generalized", "samples", "unsettled"),
}
"""The kinds of samples, by what they are called."""


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares which kind prevails with few, some and many examples."""
    counted = runs.filter("interpolated")
    counts = sorted(counted["n"].unique().to_list())

    def at(n: int) -> pl.DataFrame:
        return counted.filter(pl.col("n") == n)

    nothing = counted.clear()
    few, many = (at(counts[0]), at(counts[-1])) if counts else (nothing, nothing)
    some = max(
        (at(n) for n in counts[1:-1]),
        key=lambda those: share(those, "spurious", "samples"),
        default=nothing,
    )
    for those, kind, words in (
        (few, "memorized", "the fewest examples"),
        (some, "spurious", "the number of examples between that has most of them"),
        (many, "generalized", "the most examples"),
    ):
        yield at_least(
            f"share of samples that are {kind}, at {words}",
            bound=MOST,
            measured=share(those, kind, "samples"),
            runs=those.height,
        )
    what = "share of samples that are memorized, at the most examples"
    yield nearly_none(what, many, "memorized", "samples")
    what = "share of held-out examples that count as memorized or spurious, every n"
    yield nearly_none(what, counted, "taken_for_known", "held_out")


def note(runs: pl.DataFrame) -> str:
    """States the kinds by the number of examples, and the errors that go with them."""
    return _stated(runs.filter("interpolated", "in_regime"))


def reach(runs: pl.DataFrame) -> str:
    """States the same of crops of photographs."""
    return _stated(runs.filter("interpolated", ~pl.col("in_regime")))


def _stated(runs: pl.DataFrame) -> str:
    if runs.is_empty():
        return ""
    errors = "; ".join(
        f"n = {n}: {held_out / train:.3g}"
        for n, held_out, train in runs.group_by("n", maintain_order=True)
        .agg(pl.col("held_out_error", "train_error").mean())
        .iter_rows()
    )
    return (
        f"{listed(runs, ['n'], KINDS)}. Held-out over training error: {errors}. Two states are one "
        f"within {runs['tau'][0]:.3g}; {runs['incomplete'].sum()} samples were not completed."
    )


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the share of each kind against the number of examples."""
    counted = runs.filter("interpolated")
    x = Axis("n", "training examples", "log", ticks=tuple(counted["n"].unique().sort()))
    return (rates_figure(counted, KINDS, x, "samples", {"facet": "data"}, width=420),)


CLAIM = Claim(
    number=17,
    name="memorized-spurious-generalized",
    statement=(
        "What a denoiser generates is memorized with few training examples, spurious with more, "
        "and generalized with many."
    ),
    source="arXiv 2505.21777, for diffusion models; here denoisers that are not given the noise",
    tolerance=(
        "Each kind must make up half of the samples or more in its place: the source speaks of "
        "three phases and states no rates. At the most examples 0.05 may be memorized, and 0.05 of "
        "held-out examples may be taken for memorized or spurious ones, which tests the threshold."
    ),
    regime=Regime(
        words=(
            "2 to 1,400 digits, 300 held out, width 256 (4 times the pixels), 4 layers, "
            "leaky_relu: 165,000 parameters for 128 to 89,600 numbers (with `long` 512 × 5); noise "
            "of up to one unit, Adam 1e-3 to 0 along a cosine in batches of 50, PyTorch's first "
            "weights; 500 samples of each network"
        ),
        source="one network for all n, as in the source; PyTorch's defaults",
        tried=3,
    ),
    design=design,
    columns=COLUMNS,
    rates={f"{kind}_share": (counted.count, counted.total) for kind, counted in KINDS.items()},
    checks=checks,
    note=note,
    reach=reach,
    figures=figures,
    seconds=70,
)
