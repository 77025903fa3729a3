"""Measures extraction from weights alone, and whether the ranking puts training examples first.

python benchmarks/extraction.py [name …]
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import fitting
import polars as pl
import torch
from torch import Tensor

import mnemoscope as mn
from mnemoscope.extraction import Extraction, SearchOptions, extract
from mnemoscope.extraction.scoring import NONE, average_precision

MATCH_TOL = 1e-2

SECONDS = 120.0
"""Time after which a search is ended: maps whose orbits settle slowly would take much longer."""

Sizes = tuple[int, int, int]

FULLY = {"width": 256, "depth": 8, "activation": "leaky_relu"}


@dataclass(frozen=True)
class Case:
    """A network, and how it is trained."""

    name: str
    X: Callable[[], Tensor]
    spec: Callable[[Sizes], mn.nets.Spec]
    options: dict[str, Any] = field(default_factory=dict)

    def trained(self) -> tuple[mn.nets.Network, Tensor]:
        """Trains the network; returns it and its training examples."""
        X = self.X()
        channels, height, width = X.shape[1:]
        net = self.spec((channels, height, width)).build(seed=0)
        fitting.train(net, X, **self.options)
        return net, X


def fully_connected(**fields: Any) -> Callable[[Sizes], mn.nets.Spec]:
    return lambda shape: mn.nets.FullyConnected(shape=shape, **{**FULLY, **fields})


def convolutional(**fields: Any) -> Callable[[Sizes], mn.nets.Spec]:
    return lambda shape: mn.nets.Convolutional(shape=shape, channels=16, **fields)


def unet(**fields: Any) -> Callable[[Sizes], mn.nets.Spec]:
    return lambda shape: mn.nets.UNet(shape=shape, channels=16, **fields)


def digits(n: int) -> Callable[[], Tensor]:
    return lambda: mn.load_data("digits", n=n)


def photos(n: int, **options: Any) -> Callable[[], Tensor]:
    return lambda: mn.load_data("photos", n=n, size=16, **options)


COSINE = {"schedule": "cosine", "max_steps": 20_000}

CASES = [
    Case("100 digits", digits(100), fully_connected(), {"batch_size": 10, **COSINE}),
    Case("50 photos, 16 × 16", photos(50), fully_connected(), {"batch_size": 10, **COSINE}),
    Case("5 digits, 16 convolutions", digits(5), convolutional(depth=16), {"max_steps": 8000}),
    Case(
        "2 digits, 6 convolutions, 2 strides",
        digits(2), convolutional(depth=6, downsample=2), {"max_steps": 8000},
    ),
    Case("3 digits, U-Net, 2 levels", digits(3), unet(levels=2), {"max_steps": 8000}),
]  # fmt: skip
"""How many training examples are extracted?"""

PARTLY = [
    Case("100 digits, batches of 20, plateau", digits(100), fully_connected(), {"batch_size": 20}),
    Case("100 digits, full batch", digits(100), fully_connected(), {"max_steps": 6000}),
    Case("50 digits, full batch", digits(50), fully_connected(), {"lr": 3e-3, "max_steps": 6000}),
    Case("20 digits, tanh", digits(20), fully_connected(activation="tanh"), {"max_steps": 6000}),
    Case("50 photos, full batch", photos(50), fully_connected(), {"max_steps": 6000}),
    Case("50 digits, depth 5", digits(50), fully_connected(depth=5), {"batch_size": 10}),
    Case("50 digits, relu", digits(50), fully_connected(activation="relu"), {"batch_size": 10}),
    Case("50 digits, selu", digits(50), fully_connected(activation="selu"), {"max_steps": 6000}),
    Case(
        "100 grey photos, batches of 50",
        photos(100, gray=True), fully_connected(), {"batch_size": 50, "max_steps": 8000},
    ),
    Case(
        "30 grey photos in 0.1 – 0.9, sigmoid output",
        lambda: 0.1 + 0.8 * photos(30, gray=True)(),
        fully_connected(output_activation="sigmoid"), {"max_steps": 5000},
    ),
    Case(
        "50 digits in 0.2 – 0.8, full batch",
        lambda: 0.2 + 0.6 * digits(50)(), fully_connected(), {"max_steps": 6000},
    ),
]  # fmt: skip
"""Networks that store only a part and have spurious attractors: does the ranking separate them?

The score was chosen on the first four of these; the others were trained after that. In the last two
the data leave a margin to the assumed range, so that it carries less information, or none."""

FEATURES = {
    "score": pl.col("score"),
    "within the range": -pl.col("excess").clip(1e-4),
    "stable": -pl.col("spectral_radius").pow(1 / pl.col("period")),
    "basin": pl.col("basin_fraction") / pl.col("period"),
    "kinds": pl.col("kinds_reached"),
    "smooth": -pl.col("roughness"),
    "contrast": pl.col("contrast"),
}
"""Possible ranking criteria; larger values are more likely training examples."""


def stored(net: mn.nets.Network, X: Tensor) -> int:
    """Examples whose own orbits end at attractors within `MATCH_TOL`."""
    own = mn.find_attractors(net, X, X)
    return len(own.nearest_example[own.distance <= MATCH_TOL].unique())


def area(value: Tensor, true: Tensor) -> float:
    """The probability that a training example ranks above a spurious attractor (ties: one half)."""
    one, other = value[true][:, None], value[~true]
    return float(((one > other).double() + (one == other).double() / 2).mean())


def found_row(case: Case, net: mn.nets.Network, X: Tensor, out: Extraction) -> list[str]:
    scores = out.score(X, match_tol=MATCH_TOL)
    every = out.estimates.row(by_predicate=pl.col("pool") == "all", named=True)
    last = scores.tail(1).to_dicts()[0] if len(scores) else None
    rates = ["–", "–", "–"]
    if last is not None:
        best = scores.filter(pl.col("rank") == min(len(X), len(scores)))
        rates = [
            f"{last['recall']:.2f} ({last['recall_low']:.2f} – {last['recall_high']:.2f})",
            f"{last['precision']:.3f} ({last['precision_low']:.2f} – {last['precision_high']:.2f})",
            f"{best['precision'][0]:.3f}",
        ]
    return [
        case.name,
        f"{stored(net, X)} of {len(X)}",
        f"{0 if last is None else last['found']} of {len(X)}",
        str(len(out)),
        *rates,
        f"{average_precision(scores):.3f}",
        f"{every['total']:.0f} ({every['low']:.0f} – {every['high']:.0f})",
        f"{out.summary['starts']:,}",
        f"{out.summary['seconds']:.0f}",
        out.summary["stopped"],
    ]


def rank_row(case: Case, X: Tensor, out: Extraction) -> list[str]:
    scores = out.score(X, match_tol=MATCH_TOL)
    true = torch.tensor((scores["match"] != NONE).to_list())
    known = out.table.select(f.cast(pl.Float64).alias(name) for name, f in FEATURES.items())
    areas = [f"{area(torch.tensor(known[name].to_list()), true):.2f}" for name in FEATURES]
    share = float(true.double().mean())
    return [
        case.name, str(int(true.sum())), str(int((~true).sum())), f"{share:.2f}",
        f"{average_precision(scores):.3f}", *areas,
    ]  # fmt: skip


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


FOUND_HEADER = (
    "network", "stored", "found", "candidates", "recall (95%)", "precision (95%)",
    "precision at rank n", "average precision", "attractors, Chao (95%)", "starts", "s", "stopped",
)  # fmt: skip
RANK_HEADER = (
    "network", "training examples", "spurious", "share", "average precision",
    *(f"AUC {name}" for name in FEATURES),
)  # fmt: skip


if __name__ == "__main__":
    wanted = set(sys.argv[1:])
    for cases, header in ((CASES, FOUND_HEADER), (PARTLY, RANK_HEADER)):
        rows = []
        for case in cases:
            if wanted and case.name not in wanted:
                continue
            net, X = case.trained()
            out = extract(net, options=SearchOptions(max_seconds=SECONDS))
            found = cases is CASES
            rows.append(found_row(case, net, X, out) if found else rank_row(case, X, out))
        if rows:
            print(table(header, rows), flush=True)
