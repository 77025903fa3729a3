"""The capacity claim: one network stores many pictures.

A network of fixed size is trained on more and more crops of photographs. For each number the claim
measures the share of the examples that are stored, and where orbits from noise end: at an example,
at a spurious attractor, at none.

With `long` a network is also trained on 500 crops of 32 x 32 pixels in three colours, and 10,000
starts of each distribution are followed. (Radhakrishnan, Belkin, Uhler, PNAS 117(44), 2020, report
500 pictures in one network, without any apparent spurious attractor.) It is trained in two ways: by
plain descent whose last layer is solved (`finish`), which is what the claim is about, and as the
first attempt of `mnemoscope.store`, which trains for storage and is shown for comparison.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Unpack

import polars as pl
from torch import Tensor

from mnemoscope.associative import plan
from mnemoscope.base.errors import DivergenceError
from mnemoscope.base.stats import Rate
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
    nearly_all,
    nearly_none,
    phase_diagram,
    rates_figure,
    rows_of,
)
from mnemoscope.data import load_data
from mnemoscope.dynamics.orbits import OrbitOptions
from mnemoscope.dynamics.outcomes import OUTCOME_COUNTS, count_outcomes_from_noise
from mnemoscope.dynamics.starts import STARTS
from mnemoscope.dynamics.stored import stored_examples
from mnemoscope.linalg import spectral_radius
from mnemoscope.maps import SelfMap
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.plots import Axis, Figure
from mnemoscope.training import TrainingOptions, train

PARTS = 4
"""Mini-batches of a pass; full batches store far less of many pictures."""

MOST_STEPS = 20_000
"""Steps after which a network has not interpolated; by default a quarter of them in the reach."""

INTERPOLATED = 1e-8
"""The loss that counts as interpolation."""

HEADLINE = "headline"
SWEEP = "sweep"

HEADLINE_STARTS = 10_000

HEADLINE_ORBIT = 2_000
"""Steps after which an orbit from one of these starts counts as not settled. At the default of
10,000 the few that do not settle would take most of the time."""

HEADLINE_SPEC = FullyConnected(shape=(3, 32, 32), width=1024, depth=8)

HEADLINE_TRAINING = TrainingOptions(
    lr=5e-4, schedule="cosine", batch_size=50, max_steps=15_000, finish="least_squares"
)
"""Plain descent to 500 pictures. At a rate of 1e-3 networks of this width are thrown back to where
they began, and a rate that is halved when the loss stagnates is too small before the network
interpolates."""

PILOTS = 1
"""Pilots of the headline used the first seed; the headline takes the one after it."""

COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("stored", *OUTCOME_COUNTS, "contractive"), pl.Int64()),
    "loss_before_finish": pl.Float64(),
    "finish_update": pl.Float64(),
    "stopped": pl.String(),
    "training_minutes": pl.Float64(),
    "census_minutes": pl.Float64(),
}
"""Measurements of networks that interpolate; from `contractive` on, of the headline."""


def run(scale: Scale) -> pl.DataFrame:
    """Measures stored and spurious shares against n; with `long` the 500 as well."""
    runs = rows_of(design(scale), COLUMNS, device=scale.device)
    if scale.effort != "long":
        return runs
    X = load_data("photos", n=500, size=32).to(scale.device)
    seed = scale.seed + PILOTS
    storing = plan(X, seed=seed)
    ways = {
        "plain": (HEADLINE_SPEC, replace(HEADLINE_TRAINING, seed=seed)),
        "store": (storing.spec, storing.training),
    }
    rows = [headline(X, way, *trained, HEADLINE_STARTS) for way, trained in ways.items()]
    return pl.concat([runs, pl.DataFrame(rows, schema=runs.schema)])


def design(scale: Scale) -> Iterator[Setting]:
    """Yields networks on more and more crops of photographs, in the regime and beyond."""
    networks = {
        "quick": {(64, 6): ((5, 10), ())},
        "default": {(256, 8): ((10, 20, 40), ()), (64, 8): ((), (10,))},
        "long": {
            (256, 8): ((10, 20, 40), (80, 160)),
            (512, 8): ((10, 20, 40, 80), ()),
            **dict.fromkeys(((64, 8), (128, 8), (256, 4), (256, 12)), ((), (10, 40))),
        },
    }
    for network, (inside, beyond) in networks[scale.effort].items():
        for n in inside:
            yield _setting(scale, n, network, scale.range(2, 3, 3), in_regime=True)
        for n in beyond:
            yield _setting(scale, n, network, scale.range(2, 2, 2))


def _setting(
    scale: Scale,
    n: int,
    network: tuple[int, int],
    seeds: Sequence[int],
    *,
    in_regime: bool = False,
) -> Setting:
    size, (width, depth) = scale.choose(8, 16, 16), network
    X = load_data("photos", n=n, size=size)
    most = MOST_STEPS if in_regime or scale.effort == "long" else MOST_STEPS // 4
    return Setting(
        FullyConnected(shape=X.shape[1:], width=width, depth=depth),
        X,
        seeds,
        levels={"part": SWEEP, "size": size},
        training={"batch_size": max(1, n // PARTS), "max_steps": most},
        measure=("stored", partial(ends, starts=scale.choose(50, 100, 200))),
        in_regime=in_regime,
    )


def ends(trained: Trained, *, starts: int) -> Iterator[Row]:
    """Counts where orbits from noise end, for networks that interpolate."""
    for net, X, seed, converged in each_network(trained):
        yield _ends(net, X, starts, seed) if converged else {}


def _ends(net: Network, X: Tensor, starts: int, seed: int, **options: Unpack[OrbitOptions]) -> Row:
    return asdict(count_outcomes_from_noise(net, X, tuple(STARTS), starts, seed, **options)[0])


def headline(
    X: Tensor, way: str, spec: FullyConnected, training: TrainingOptions, starts: int
) -> Row:
    """Trains a network on many pictures; returns its row.

    It is measured even where it does not interpolate, to show how far it got; then it counts for
    no check. Only the plain way decides the verdict.
    """
    begun = time.perf_counter()
    row: Row = {
        **spec.model_dump(include={"width", "depth"}),
        "part": HEADLINE,
        "way": way,
        "n": len(X),
        "size": X.shape[-1],
        "seed": training.seed,
        "loss": float("nan"),
        "steps": 0,
        "interpolated": False,
        "diverged": False,
        "in_regime": way == "plain",
        **dict.fromkeys(COLUMNS),
    }
    net = spec.build(seed=training.seed, device=X.device)
    try:
        fit = train(net, X, training)
    except DivergenceError as error:
        minutes = (time.perf_counter() - begun) / 60
        return row | {"diverged": True, "stopped": str(error), "training_minutes": minutes}
    trained = time.perf_counter()
    f = SelfMap(net, shape=net.shape)
    return row | {
        "loss": fit.loss,
        "steps": fit.steps,
        "interpolated": fit.loss <= INTERPOLATED,
        "loss_before_finish": fit.loss_before_finish,
        "finish_update": fit.finish_update,
        "stored": int(stored_examples(f, X).sum()),
        "contractive": int((spectral_radius(f, X) < 1).sum()),
        **_ends(net, X, starts, training.seed, max_steps=HEADLINE_ORBIT),
        "training_minutes": (trained - begun) / 60,
        "census_minutes": (time.perf_counter() - trained) / 60,
    }


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares stored pictures with all and spurious attractors with none, for each n."""
    for n, those in each_value(runs.filter(pl.col("part") == SWEEP), "n"):
        yield nearly_all(f"share of {n} pictures that is stored", those, "stored", "n")
        what = f"share of starts that end at spurious attractors, n = {n}"
        yield nearly_none(what, those, "spurious", "starts")
    for row in runs.filter(pl.col("part") == HEADLINE).iter_rows(named=True):
        n, one = row["n"], int(row["interpolated"])
        kept, spurious = (_number(row[name]) for name in ("stored", "spurious_attractors"))
        yield at_least(f"pictures stored, of {n}", bound=float(n), measured=kept, runs=one)
        yield at_most(f"spurious attractors found, n = {n}", bound=0.0, measured=spurious, runs=one)


def _number(value: int | None) -> float:
    return float("nan") if value is None else float(value)


def note(runs: pl.DataFrame) -> str:
    """States what is stored for each n in the regime, and what became of the headline."""
    counted = runs.filter(pl.col("part") == SWEEP, "interpolated", "in_regime")
    headlines = runs.filter(pl.col("part") == HEADLINE).iter_rows(named=True)
    shares = listed(counted, ["n"], LINES) or "No network interpolated"
    return " ".join([f"{shares}.", *map(_headline_note, headlines)])


def _headline_note(row: Row) -> str:
    stopped = f", stopped: {row['stopped']}" if row["stopped"] else ""
    parts = [
        f"{row['n']} pictures of {row['size']} x {row['size']}, {row['way']}: loss "
        f"{row['loss']:.2g} after {row['steps']:,} updates{stopped}"
    ]
    if row["finish_update"] is not None:
        parts.append(
            f"finished from a loss of {row['loss_before_finish']:.2g} by an update of "
            f"{row['finish_update']:.2g} of the last layer's norm"
        )
    if row["stored"] is not None:
        high = Rate.of(row["spurious"], row["starts"]).high
        parts.append(
            f"{row['stored']} of {row['n']} stored, {row['contractive']} contractive, "
            f"{row['spurious']} of {row['starts']:,} starts (95%: at most {high:.2g}) at "
            f"{row['spurious_attractors']} spurious attractors, {row['not_settled']} not settled, "
            f"{row['examples_reached']} examples reached"
        )
    if not row["interpolated"]:
        parts.append("it did not interpolate and counts for no check")
    minutes = f"training {row['training_minutes']:.0f} minutes"
    if row["census_minutes"] is not None:
        minutes += f", census {row['census_minutes']:.0f}"
    return "; ".join([*parts, minutes]) + "."


LINES = {
    "examples that are stored": Counted("stored", "n", "stored"),
    "starts that end at spurious attractors": Counted("spurious", "starts", "spurious"),
    "starts that do not settle": Counted("not_settled", "starts", "unsettled"),
}


def reach(runs: pl.DataFrame) -> str:
    """States what is stored of more pictures, and by smaller networks."""
    beyond = runs.filter(pl.col("part") == SWEEP, "interpolated", ~pl.col("in_regime"))
    return f"{listed(beyond, ['width', 'depth', 'n'], LINES)}." if beyond.height else ""


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the stored and the spurious share against n, and what other networks store."""
    sweep = runs.filter("interpolated", pl.col("part") == SWEEP)
    inside = sweep.filter("in_regime")
    x = Axis("n", "pictures", "log", ticks=tuple(inside["n"].unique().sort()))
    cells = sweep.sort("depth", "width", "n", maintain_order=True).with_columns(NETWORK)
    return (
        rates_figure(inside, LINES, x, "", {"detail": "width"}, width=420),
        phase_diagram(
            cells,
            LINES["examples that are stored"],
            Axis("n", "pictures", "category"),
            Axis("network", "width × depth", "category"),
            "examples that are stored",
        ),
    )


CLAIM = Claim(
    number=13,
    name="capacity",
    statement=(
        "One deep fully connected network stores many real pictures, and nothing but them: 500 of "
        "500, without a spurious attractor (that many with `long` only)."
    ),
    source="PNAS 117(44), 2020 (arXiv 1909.12362), 500 pictures; here crops of two photographs",
    tolerance=(
        "0.05 below 1 for the share of pictures stored, and 0.05 above 0 for the share of starts "
        "that end at spurious attractors, for the numbers of pictures on which several networks "
        "are trained: the source reports single networks, and a rate over seeds may be slightly "
        "below 1. No tolerance for the 500 pictures, where the source states that all are stored."
    ),
    regime=Regime(
        words=(
            "10, 20 and 40 crops of 16 × 16 in colour, width 256 (6 units for each crop), 8 "
            "layers, leaky_relu: 789,000 parameters for at most 30,720 numbers (with `long` 80 at "
            "width 512, too); Adam 1e-3 in batches of n / 4, PyTorch's first weights. The 500 "
            "pictures of 32 × 32: width 1,024, 8 layers, Adam 5e-4 to 0 along a cosine in batches "
            "of 50, the last layer solved"
        ),
        source="PyTorch's defaults; a last layer whose solution changes it little",
        tried=2,
    ),
    run=run,
    rates={"share": ("stored", "n")},
    checks=checks,
    note=note,
    reach=reach,
    figures=figures,
    seconds=180,
)
