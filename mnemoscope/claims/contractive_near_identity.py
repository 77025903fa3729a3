"""A map can be arbitrarily close to the identity and yet contractive at every example.

So memorization does not imply overfitting: what is stored as an attractor need not be far from
anything that was left out. In closed form, on [0, 1],

    f_k(z) = z - sin(2 pi k z) / (2 pi k)

has the derivative `1 - cos(2 pi k z)`, 0 at all grid points `j / k`, while
`max |f_k - id| = 1 / (2 pi k)`. In more dimensions the product of such maps has the same in every
coordinate.

Do trained networks come near it? Networks are trained on `n` grid points of the unit cube of one
and of two dimensions. `distance` is `sup |f - id|` (RMS over coordinates) on a finer grid of the
cube; contraction is judged by the spectral radius at the points. In eight and 64 dimensions points
are drawn uniformly from the cube, and the distance is the largest at 4,096 further draws.
"""

import math
from collections.abc import Iterator
from functools import partial

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.stats import Z95
from mnemoscope.claims import (
    Check,
    Claim,
    Regime,
    Row,
    Scale,
    Setting,
    Trained,
    all_near_zero,
    at_most,
    each_network,
    each_value,
    nearly_all,
    rows_of,
    share,
)
from mnemoscope.claims.slopes import log_slope
from mnemoscope.dynamics.states import rms
from mnemoscope.linalg import spectral_radius
from mnemoscope.maps import SelfMap
from mnemoscope.nets import FullyConnected
from mnemoscope.plots import Axis, Figure
from mnemoscope.training import replica_spectral_radius

WAVES = (1, 4, 16, 64, 256)
"""Grid points of the closed form."""

EXACT = 1e-6
"""Tolerance of the closed form: float64 loses eight digits at most in `k z` and the grid."""

WIDTH, DEPTH = 512, 8

COUNTS = (4, 16, 64, 256)
"""Points: squares, so that they are a grid in two dimensions too."""

FINE = 4096
"""Points at which the distance from the identity is measured."""

TRAINED, CLOSED = "trained", "closed form"

COLUMNS: dict[str, pl.DataType] = {
    "study": pl.String(),
    "d": pl.Int64(),
    "contractive": pl.Int64(),
    "largest_radius": pl.Float64(),
    "distance": pl.Float64(),
}


def run(scale: Scale) -> pl.DataFrame:
    """Measures the closed form, and the trained networks."""
    runs = rows_of(design(scale), COLUMNS, device=scale.device)
    closed = pl.DataFrame(
        [closed_form(waves) for waves in scale.choose(WAVES[:3], WAVES, WAVES)],
        schema={name: runs.schema[name] for name in (*COLUMNS, *BASIC)},
    )
    return pl.concat([runs, closed], how="diagonal")


BASIC = ("n", "seed", "loss", "interpolated", "in_regime")
"""Columns that a map without a training has, too."""


def design(scale: Scale) -> Iterator[Setting]:
    """Yields networks on more and more points, in one and two dimensions, and in more."""
    many = (4, 9, 16, 36, 64, 144, 256)
    # 64 points in two dimensions do not interpolate in the steps there are by default.
    counts = scale.choose(
        {1: COUNTS[:2]}, {1: COUNTS[:3], 2: COUNTS[:2]}, dict.fromkeys((1, 2, 8, 64), many)
    )
    width, depth = scale.choose((64, 4), (WIDTH, DEPTH), (WIDTH, DEPTH))
    most = scale.choose(*MOST_STEPS)
    for d, those in counts.items():
        for n in those:
            yield Setting(
                FullyConnected(shape=(d,), width=width, depth=depth),
                points(n, d),
                scale.range(2, 2, 3),
                levels={"study": TRAINED, "d": d},
                training={"batch_size": max(1, n // 4), "max_steps": most},
                measure=(partial(nearness, d=d),),
                in_regime=d <= 2,
            )


MOST_STEPS = (4_000, 4_000, 10_000)
"""Steps after which a run has not interpolated: quick, by default, and with `--long`."""


def points(n: int, d: int) -> Float[Tensor, "n d"]:
    """Returns `n` points of the unit cube: a grid in one and two dimensions, else drawn.

    Example:
        >>> points(4, 2).tolist()
        [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    if d > 2:
        return torch.rand(n, d, generator=torch.Generator().manual_seed(d))
    axis = torch.linspace(0, 1, round(n ** (1 / d)))
    return torch.cartesian_prod(*[axis] * d).reshape(-1, d)


def fine_points(d: int) -> Float[Tensor, "m d"]:
    """Returns the points at which the distance from the identity is measured.

    None of a grid of up to 256 points is among them, but for its corners.
    """
    if d > 2:
        return torch.rand(FINE, d, generator=torch.Generator().manual_seed(d + 1))
    axis = torch.linspace(0, 1, round(FINE ** (1 / d)))
    return torch.cartesian_prod(*[axis] * d).reshape(-1, d)


def nearness(trained: Trained, *, d: int) -> Iterator[Row]:
    """Measures contraction at the points and the distance from the identity."""
    radii = replica_spectral_radius(trained.replicas, trained.X).cpu()
    grid = fine_points(d).to(trained.X)
    for (net, _, _, converged), radius in zip(each_network(trained), radii, strict=True):
        if not converged:
            yield {}
            continue
        yield {
            "contractive": int((radius < 1).sum()),
            "largest_radius": float(radius.max()),
            "distance": float(rms(SelfMap(net)(grid) - grid).max()),
        }


def closed_form(waves: int) -> Row:
    """Measures the map in closed form with this number of waves, as if it were a network."""

    def f(z: Tensor) -> Tensor:
        return z - torch.sin(2 * math.pi * waves * z) / (2 * math.pi * waves)

    grid = (torch.arange(waves + 1, dtype=torch.float64) / waves)[:, None]
    radii = spectral_radius(SelfMap(f, shape=(1,), dtype=torch.float64), grid)
    fine = torch.linspace(0, 1, 64 * waves + 1, dtype=torch.float64)[:, None]
    return {
        "study": CLOSED,
        "d": 1,
        "n": len(grid),
        "seed": 0,
        "loss": float((f(grid) - grid).square().mean()),
        "interpolated": True,
        "in_regime": True,
        "contractive": int((radii < 1).sum()),
        "largest_radius": float(radii.max()),
        "distance": float((f(fine) - fine).abs().max()),
    }


def checks(runs: pl.DataFrame) -> Iterator[Check]:
    """Compares the closed form with its derivation, and trained networks with both statements."""
    closed = runs.filter("interpolated", pl.col("study") == CLOSED)
    yield all_near_zero(
        "spectral radius at the points, closed form",
        closed,
        "largest_radius",
        tolerance=EXACT,
    )
    away = closed.with_columns(
        away=(pl.col("distance") * 2 * math.pi * (pl.col("n") - 1) - 1).abs()
    )
    yield all_near_zero(
        "largest distance from the identity by 1 / (2 pi k), less 1, closed form",
        away,
        "away",
        tolerance=EXACT,
    )
    trained = runs.filter(pl.col("study") == TRAINED)
    for d, those in each_value(trained, "d"):
        slope, error = log_slope(those["n"].to_list(), those["distance"].to_list())
        yield at_most(
            f"slope of log sup|f - id| against log n + 1.96 standard errors, d = {d}",
            bound=0.0,
            measured=slope + Z95 * error,
            runs=0 if math.isnan(slope) else those.height,
        )
        yield nearly_all(f"share of contractive points, d = {d}", those, "contractive", "n")


def reach(runs: pl.DataFrame) -> str:
    """States, by dimension, from which number of points on fewer than 95% are contractive."""
    parts = []
    trained = runs.filter(pl.col("study") == TRAINED)
    for d, those in each_value(trained, "d"):
        slope, error = log_slope(those["n"].to_list(), those["distance"].to_list())
        broken = [n for n, at in each_value(those, "n") if share(at, "contractive", "n") < 1 - 0.05]
        where = f"below 95% contractive from n = {min(broken)} on" if broken else "at every n"
        parts.append(f"d = {d}: {where}, slope {slope:.2f} ± {Z95 * error:.2f}")
    return "; ".join(parts) + "." if parts else ""


def figures(runs: pl.DataFrame) -> tuple[Figure, ...]:
    """Describes the distance from the identity, and contraction, against the number of points."""
    counted = runs.filter("interpolated").with_columns(
        dimension=pl.format("{}, d = {}", "study", "d")
    )
    x = Axis("n", "points", "log")
    return (
        Figure(
            counted,
            x,
            Axis("distance", "sup |f - id|", "log"),
            by="dimension",
            line="median",
            tooltip=("seed", "contractive", "largest_radius"),
            width=300,
            height=240,
        ),
        Figure(
            counted,
            x,
            Axis("share", "contractive points", "share"),
            by="dimension",
            line="median",
            tooltip=("seed", "largest_radius"),
            width=300,
            height=240,
        ),
    )


CLAIM = Claim(
    number=15,
    name="contractive-near-identity",
    statement=(
        "Memorization does not imply overfitting: a map can be arbitrarily close to the identity "
        "and contractive at every example; trained networks come nearer to it with more examples."
    ),
    source="arXiv 1810.10333",
    tolerance=(
        "1e-6 for the closed form, whose numbers are exact but for rounding. The slope of the "
        "distance against n, in logarithms, must lie below 0 by more than 1.96 standard errors. "
        "0.05 below 1 for the share of contractive points: a claim does not hold as a rule if it "
        "fails in more than one of twenty cases."
    ),
    regime=Regime(
        words=(
            "grid points of the unit interval and the unit square, n = 4 to 256, width 512, 8 "
            "layers (1.6 million parameters for at most 512 numbers), leaky_relu, Adam in batches "
            "of n / 4, PyTorch's first weights"
        ),
        source="widths and depths of the paper's deep networks, in the dimensions of its figures",
    ),
    run=run,
    columns=COLUMNS,
    rates={"share": ("contractive", "n")},
    checks=checks,
    reach=reach,
    figures=figures,
    seconds=65,
)
