"""Audits made up for the tests of the report: a full one, and one of edge cases."""

import math
import random
from functools import lru_cache
from typing import Any

import polars as pl
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from mnemoscope.base.stats import Rate
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import (
    EffectiveRank,
    NoiseFrames,
    Plane,
    Reached,
    RecallFrames,
    SpanDistance,
)
from mnemoscope.results.tables import SCHEMAS
from tests.summaries import made_summary

STEPS = (0, 1, 2, 4, 8, 16, 57)
CORRUPTIONS = {
    "gaussian": [0.05, 0.1, 0.2, 0.4, 0.8],
    "salt_and_pepper": [0.05, 0.1, 0.2, 0.4],
    "mask_pixels": [0.1, 0.25, 0.5, 0.75],
    "mask_block": [0.25, 0.5],
    "mask_lower_half": [0.5],
    "blur": [0.5, 1.0, 2.0],
    "mix": [0.1, 0.3, 0.5],
}
KINDS = ["uniform", "gaussian", "wide_gaussian", "sparse", "pink", "corrupted", "bred"]


@lru_cache(maxsize=1)
def _digits() -> Tensor:
    images = load_digits().images
    return torch.tensor(images, dtype=torch.float32)[:, None] / 16


def frame(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """A table of the audit with the columns that it must have."""
    return pl.DataFrame(rows, schema=SCHEMAS[name])


def full_audit(n: int = 20, spurious: int = 2, *, examples: Tensor | None = None) -> Audit:
    """Stored and lost examples, spurious attractors, a cycle, and every table filled.

    Args:
        n: Training examples; the last tenth is not stored.
        spurious: Spurious attractors.
        examples: `(n, *shape)`; digits if not given.
    """
    chance = random.Random(0)
    generator = torch.Generator().manual_seed(0)
    states = _digits()[:n] if examples is None else examples
    stored = [i < n - max(1, n // 10) for i in range(n)]
    radius = [chance.uniform(0.4, 0.95) if s else chance.uniform(1.02, 1.4) for s in stored]
    recalled = [s and i % 7 != 3 for i, s in enumerate(stored)]
    ghosts = [(states[i % n] + states[(i + 1) % n]) / 2 for i in range(spurious + 1)]
    ends = [states[i] for i in range(n) if stored[i]] + ghosts

    recall = _recall(chance, stored)
    attractors = []
    for k in range(len(ends)):
        count = chance.randrange(20, 300) if k < sum(stored) else chance.randrange(1, 40)
        low, high = interval(count, 7000)
        attractors.append(
            {
                "id": k,
                "kind": "cycle" if k == len(ends) - 1 else "fixed_point",
                "period": 2 if k == len(ends) - 1 else 1,
                "spectral_radius": chance.uniform(0.4, 0.97),
                "basin_fraction": count / 7000,
                "basin_low": low,
                "basin_high": high,
                "starts": count,
                "nearest_example": k if k < sum(stored) else k % n,
                "distance": chance.uniform(1e-5, 9e-4) if k < sum(stored) else 0.21,
                "spurious": k >= sum(stored),
            }
        )
    tenth = [row for row in recall if row["corruption"] == "gaussian" and row["strength"] == 0.1]
    rows = [
        {
            "index": i,
            "residual": chance.uniform(1e-5, 1e-4),
            "loss": chance.uniform(1e-9, 1e-8),
            "spectral_radius": radius[i],
            "operator_norm": radius[i] * 2.3,
            "fixed_point_distance": 1e-4 if stored[i] else 0.2,
            "fixed_point_spectral_radius": radius[i],
            "stored": stored[i],
            "recall_rate": tenth[i]["rate"],
            "recall_low": tenth[i]["low"],
            "recall_high": tenth[i]["high"],
            "basin_fraction": attractors[i]["basin_fraction"] if stored[i] else 0.0,
            "span_distance": 0.01,
            "attractor": i if stored[i] else -1,
            "spectral_radius_low": None,
            "spectral_radius_high": None,
            "certified_radius": None,
            "certified_rate": None,
            "upper": radius[i] + 1e-6,
            "error_bound": 1e-6,
            "contractive": "yes" if stored[i] else "no",
            "disclosed": stored[i],
            "indistinguishable": False,
            "nearest_attractor": i if stored[i] else 0,
            "nearest_attractor_distance": 1e-4 if stored[i] else 0.2,
        }
        for i in range(n)
    ]
    recovered = sum(row["recalled"] for row in tenth)
    trials = sum(row["trials"] for row in tenth)
    noise_rows = min(8, n)
    return Audit(
        examples=frame("examples", rows),
        attractors=frame("attractors", attractors).sort("starts", descending=True),
        recall=frame("recall", recall),
        curves=_curves(recall),
        starts=frame("starts", [_starts(kind, place, n) for place, kind in enumerate(KINDS)]),
        basins=frame("basins", _basins(attractors)),
        spectra=frame("spectra", _spectra(chance, radius)),
        history=frame(
            "history",
            [
                {
                    "step": 10 * k,
                    "seconds": 0.01 * k,
                    "loss": 0.1 * math.exp(-k / 70) * (1 + 0.3 * chance.random()),
                    "lr": 1e-3,
                }
                for k in range(1200)
            ],
        ),
        plane=frame("plane", _plane()) if n >= 3 else frame("plane", []),
        membership=frame("membership", []),
        roc=frame("roc", []),
        summary=made_summary(
            name="digits, fully connected, 8 layers of 256",
            stored=(sum(stored), n),
            contractive=(sum(stored), n),
            recalled=(recovered, trials),
            reached=Reached(sum(stored) - 1, n, starts=5000),
            attractors=len(ends),
            spurious=spurious,
            cycles=1,
            unsettled=(31, 7000),
            left_domain=(0, 7000),
            training_loss=8.7e-9,
            span_distance=SpanDistance(median=0.031, inputs=256),
            effective_rank=EffectiveRank(
                examples=12.1, examples_count=18, outputs=11.4, outputs_count=17, threshold=0.01
            ),
            duplicates=((0, 10),),
            recall_frames=RecallFrames(
                corruption="mask_pixels", strength=0.25, steps=STEPS, recalled=tuple(recalled)
            ),
            noise_frames=NoiseFrames(
                kinds=tuple(KINDS[k % 5] for k in range(noise_rows)),
                examples=tuple(range(noise_rows)),
                steps=STEPS[:-1],
            ),
            plane=Plane(examples=(0, 1, 2), points=((0.0, 0.0), (1.0, 0.0), (0.4, 0.9))),
            seconds=41.7,
        ),
        provenance={
            "versions": {"mnemoscope": "0.1.0", "torch": "2.13.0", "python": "3.11.9"},
            "spec": {"kind": "fully_connected", "width": 256, "depth": 8},
            "training": {"optimizer": "adam", "lr": 1e-3, "tol": 1e-8},
            "seed": 0,
            "data_checksum": "sha256:9f2c",
            "data": {"name": "digits", "n": n},
            "command": "mnemoscope audit digits.safetensors --starts 1000",
            "settings": {"starts": 1000, "max_steps": 10000, "match_tol": 0.01},
            "date": "2025-01-31T09:30:00+00:00",
        },
        pictures={
            "examples": states,
            "attractors": torch.stack(ends),
            "recall_frames": torch.stack(
                [
                    _orbit(_masked(x, generator), x if s else ghosts[0], len(STEPS))
                    for x, s in zip(states, recalled, strict=True)
                ]
            ),
            "noise_frames": torch.stack(
                [
                    _orbit(torch.rand(states.shape[1:], generator=generator), x, len(STEPS) - 1)
                    for x in states[:noise_rows]
                ]
            ),
        },
    )


def edge_audit() -> Audit:
    """One example, a vector; no attractor, no history, nothing known where nothing need be."""
    nan = float("nan")
    return Audit(
        examples=frame(
            "examples",
            [
                {
                    "index": 0,
                    "residual": nan,
                    "loss": nan,
                    "spectral_radius": nan,
                    "operator_norm": None,
                    "fixed_point_distance": None,
                    "fixed_point_spectral_radius": None,
                    "stored": False,
                    "recall_rate": None,
                    "recall_low": None,
                    "recall_high": nan,
                    "basin_fraction": nan,
                    "span_distance": nan,
                    "attractor": -1,
                    "contractive": "undecided",
                    "disclosed": False,
                    "indistinguishable": False,
                    "nearest_attractor": -1,
                }
            ],
        ),
        attractors=frame("attractors", []),
        recall=frame("recall", []),
        curves=frame("curves", []),
        starts=frame(
            "starts",
            [
                {
                    "kind": "uniform",
                    "starts": 10,
                    "at_examples": 0,
                    "at_spurious": 0,
                    "at_cycles": 0,
                    "unsettled": 10,
                    "diverged": 0,
                    "left_domain": 0,
                    "not_attracting": 0,
                    "examples_reached": 0,
                    "attractors_reached": 0,
                    "unseen": nan,
                    "applications": 0,
                }
            ],
        ),
        basins=frame("basins", []),
        spectra=frame(
            "spectra",
            [{"example": 0, "rank": 0, "real": nan, "imag": nan, "modulus": nan, "residual": nan}],
        ),
        history=frame("history", []),
        plane=frame("plane", []),
        membership=frame("membership", []),
        roc=frame("roc", []),
        summary=made_summary(
            starts=10,
            stored=(0, 1),
            unsettled=(10, 10),
            loss=nan,
            training_loss=0.5,
            interpolated=False,
        ),
        provenance={},
        pictures={
            "examples": torch.tensor([[0.5, -1.0, nan, 2.0]]),
            "attractors": torch.empty(0, 4),
            "recall_frames": torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0)),
        },
    )


def interval(count: int, total: int) -> tuple[float, float]:
    rate = Rate.of(count, total)
    return rate.low, rate.high


def _recall(chance: random.Random, stored: list[bool]) -> list[dict[str, Any]]:
    rows = []
    for corruption, strengths in CORRUPTIONS.items():
        for strength in strengths:
            for i, is_stored in enumerate(stored):
                fall = math.exp(-((strength * (1 + i % 5) / 2.2) ** 2)) if is_stored else 0.0
                count = sum(chance.random() < fall for _ in range(20))
                low, high = interval(count, 20)
                rows.append(
                    {
                        "example": i,
                        "corruption": corruption,
                        "strength": strength,
                        "trials": 20,
                        "recalled": count,
                        "rate": count / 20,
                        "low": low,
                        "high": high,
                    }
                )
    return rows


def _curves(recall: list[dict[str, Any]]) -> pl.DataFrame:
    rows = []
    for corruption, strengths in CORRUPTIONS.items():
        for strength in strengths:
            tried = (corruption, strength)
            chosen = [row for row in recall if (row["corruption"], row["strength"]) == tried]
            count, total = sum(r["recalled"] for r in chosen), sum(r["trials"] for r in chosen)
            low, high = interval(count, total)
            rows.append(
                {
                    "corruption": corruption,
                    "strength": strength,
                    "trials": total,
                    "recalled": count,
                    "rate": count / total,
                    "low": low,
                    "high": high,
                }
            )
    return frame("curves", rows)


def _starts(kind: str, place: int, n: int) -> dict[str, Any]:
    away = {
        "at_spurious": 12 * place,
        "at_cycles": 4 if place % 2 else 0,
        "unsettled": 3 * place,
        "diverged": 40 if kind == "wide_gaussian" else 0,
        "left_domain": 0,
        "not_attracting": 25 if kind == "sparse" else 0,
    }
    return {
        "kind": kind,
        "starts": 1000,
        "at_examples": 1000 - sum(away.values()),
        **away,
        "examples_reached": min(n, 8 + 2 * place),
        "attractors_reached": min(n, 8 + 2 * place) + 1,
        "unseen": 0.004 * place,
        "applications": 40_000 + 1_000 * place,
    }


def _basins(attractors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "kind": "uniform",
            "attractor": row["id"],
            "starts": row["starts"],
            "total": 7000,
            "fraction": row["basin_fraction"],
            "low": row["basin_low"],
            "high": row["basin_high"],
        }
        for row in attractors
    ]


def _spectra(chance: random.Random, radius: list[float]) -> list[dict[str, Any]]:
    rows = []
    for i, largest in enumerate(radius):
        for rank in range(6):
            modulus = largest * 0.82**rank
            angle = 0.0 if rank == 0 else chance.uniform(-math.pi, math.pi)
            rows.append(
                {
                    "example": i,
                    "rank": rank,
                    "real": modulus * math.cos(angle),
                    "imag": modulus * math.sin(angle),
                    "modulus": modulus,
                    "residual": 1e-7,
                }
            )
    return rows


def _plane(side: int = 81) -> list[dict[str, Any]]:
    corners = [
        (0, 0.0, 0.0),
        (1, 1.0, 0.0),
        (2, 0.4, 0.9),
        (5, -0.4, 0.8),
        (9, 1.3, 1.1),
        (18, 0.5, -0.45),
    ]
    rows = []
    for a in range(side):
        for b in range(side):
            u, v = -0.6 + 2.2 * a / (side - 1), -0.6 + 2.1 * b / (side - 1)
            bend = 0.12 * math.sin(6 * u + 2 * v)
            near = min(corners, key=lambda c: (u - c[1] + bend) ** 2 + (v - c[2] - bend) ** 2)
            far = (u - 0.5) ** 2 + (v - 0.4) ** 2 > 1.35
            rows.append({"u": u, "v": v, "attractor": -1 if far else near[0]})
    return rows


def _masked(x: Tensor, generator: torch.Generator) -> Tensor:
    return x * (torch.rand(x.shape[-2:], generator=generator) > 0.25)


def _orbit(start: Tensor, end: Tensor, frames: int) -> Tensor:
    shares = [1 - 0.5 ** (1.4 * k) for k in range(frames - 1)] + [1.0]
    return torch.stack([(1 - s) * start + s * end for s in shares])
