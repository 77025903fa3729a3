"""A made-up table of a sweep: networks store while deep and narrow in n, and generalize beyond."""

import io
import itertools

import numpy as np
import polars as pl
from PIL import Image

from mnemoscope.base.quantity import Quantity
from mnemoscope.report.sweep import Axis

DEPTHS, EXAMPLES = (2, 4, 8, 16), (4, 16, 64, 256, 1024)
ACTIVATIONS = ("tanh", "relu", "<script>alert(1)</script>")
RATES = (None, 1e-3, 1e-2)
FACTORS = ("activation", "depth", "n", "lr")
QUANTITIES = (
    Quantity("stored", "count", "stored training examples", total="n"),
    Quantity("contractive", "count", "examples with a spectral radius below 1", total="n"),
    Quantity("starts", "count", "noise starts", needs_fit=False),
    Quantity("spurious", "count", "starts that end at a spurious attractor", total="starts",
             needs_fit=False),
    Quantity("held_out", "count", "held-out examples", needs_fit=False),
    Quantity("generalized", "count", "held-out examples that are reconstructed",
             total="held_out", needs_fit=False),
    Quantity("trials", "count", "noisy copies"),
    Quantity("recalled", "count", "noisy copies that are recalled", total="trials"),
    Quantity("sharpness", "number", "sharpness"),
    Quantity("held_out_error", "number", "error on held-out examples", needs_fit=False),
    Quantity("picture", "image", "noise, and where it ends"),
)  # fmt: skip


def axes(*names):
    """An axis for each column."""
    return [Axis((name,)) for name in names]


def png(seed=0):
    grid = np.random.default_rng(seed).integers(0, 255, (24, 48), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grid).save(buffer, format="PNG")
    return buffer.getvalue()


def sweep_rows(depths=DEPTHS, examples=EXAMPLES, activations=ACTIVATIONS, rates=RATES, seeds=11):
    """Every combination, with all that can be measured."""
    rng = np.random.default_rng(0)
    rows = []
    grid = itertools.product(activations, depths, examples, rates, range(seeds))
    for place, (activation, depth, n, lr, seed) in enumerate(grid):
        hard = np.log2(n) / 10 - np.log2(depth) / 8
        draw = rng.random()
        status = (
            "diverged" if activation == "relu" and lr == 1e-2 and draw < 0.5
            else "not_interpolated" if draw < hard or (n == 1024 and depth == 2)
            else "interpolated"
        )  # fmt: skip
        kept = status != "diverged"
        share = np.clip(1.1 - np.log2(n) / 9 + np.log2(depth) / 12 + 0.1 * rng.normal(), 0, 1)
        beyond = np.clip(np.log2(n) / 9 - 0.3 + 0.1 * rng.normal(), 0, 1)
        odd = np.clip(0.2 + (activation == "relu") * 0.5 - 0.05 * np.log2(depth), 0, 1)
        rows.append(
            {
                "key": f"{place:032x}"[::-1], "group": "g", "code": "c", "status": status,
                "activation": activation, "depth": depth, "n": n, "lr": lr, "seed": seed,
                "loss": 1e-9 if status == "interpolated" else 0.01 if kept else None,
                "steps": 1000 + seed, "seconds": 0.5, "parameters": 10,
                "stored": round(share * n) if kept else None,
                "contractive": round(min(1, share + 0.1) * n) if kept else None,
                "starts": 100 if kept else None, "spurious": round(odd * 100) if kept else None,
                "held_out": 50 if kept else None,
                "generalized": round(beyond * 50) if kept else None,
                "picture": png(place) if seed == 0 else None,
            }
        )  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)
