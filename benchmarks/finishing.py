"""Studies whether a finish of training changes which examples are stored.

Each row is one network. It is trained by Adam to 1e-8, and from the same first weights with each
finish; the same examples are asked for in all.

python benchmarks/finishing.py [FILE] [--quick]

FILE (default: finishing.csv) keeps the rows as they are measured; the command goes on from it. The
tables that it prints at the end are those of docs/training.md.
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterable
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

import mnemoscope as mn
from mnemoscope.base.stats import Rate
from mnemoscope.dynamics.stored import stored_examples
from mnemoscope.maps import SelfMap

SEEDS = range(5)

DATA = {"digits": {"source": "digits"}, "photos": {"source": "photos", "size": 16, "gray": True}}

COUNTS = (10, 25, 50)

WIDTHS, DEPTHS = (128, 256, 512), (4, 8)

WAYS = {
    "none": {},
    "least_squares": {"finish": "least_squares"},
    "gauss_newton": {"finish": "gauss_newton"},
    "contraction, least_squares": {"stop": "contraction", "finish": "least_squares"},
}
"""Options of the training by the name of the way."""

MAX_STEPS = 40_000

BATCHES = {"full": 1, "a fifth": 5}
"""Steps of an epoch by the size of a batch."""

FACTORS = ("data", "n", "width", "depth", "batch")

Cell = tuple[str, int, int, int, str]
"""A value of each factor."""


def examples(data: str, n: int) -> Tensor:
    """Loads the examples of a cell."""
    return mn.load_data(n=n, **DATA[data])


def measured(cell: Cell) -> list[dict[str, object]]:
    """Trains the networks of a cell in each way; returns a row for each."""
    torch.set_num_threads(1)
    data, n, width, depth, batch = cell
    X = examples(data, n)
    spec = mn.nets.FullyConnected(shape=tuple(X.shape[1:]), width=width, depth=depth)
    rows = []
    plain: dict[int, Tensor] = {}
    for way, changes in WAYS.items():
        begun = time.perf_counter()
        options = mn.TrainingOptions(max_steps=MAX_STEPS, batch_size=n // BATCHES[batch], **changes)
        replicas = mn.train_replicas(spec, X, options, seeds=SEEDS)
        seconds = (time.perf_counter() - begun) / len(SEEDS)
        for r, seed in enumerate(SEEDS):
            net, fit = replicas[r], replicas.fits[r]
            stored = stored_examples(SelfMap(net, shape=net.shape), X)
            radii = mn.spectral_radius(net, X)
            if way == "none":
                plain[seed] = stored
            finish = fit.record.finish
            rows.append(
                {
                    **dict(zip(FACTORS, cell, strict=True)),
                    "way": way,
                    "seed": seed,
                    "loss": fit.loss,
                    "steps": fit.steps,
                    "seconds": seconds,
                    "method": finish.method if finish else "",
                    "loss_before": fit.loss_before_finish,
                    "update": fit.finish_update,
                    "stored": int(stored.sum()),
                    "lost": int((plain[seed] & ~stored).sum()),
                    "gained": int((~plain[seed] & stored).sum()),
                    "contractive": int((radii < 1).sum()),
                }
            )
    return rows


def tables(rows: pl.DataFrame) -> str:
    """Writes the tables in Markdown: by network and way, and the ways over all cells."""
    lines = [
        "| batch | data | width x depth | " + " | ".join(WAYS) + " |",
        "|---" * (3 + len(WAYS)) + "|",
    ]
    for batch, data, width, depth in itertools.product(BATCHES, DATA, WIDTHS, DEPTHS):
        those = rows.filter(data=data, width=width, depth=depth, batch=batch)
        if not those.is_empty():
            shown = [_shown(those.filter(pl.col("way") == way)) for way in WAYS]
            lines.append(f"| {batch} | {data} | {width} x {depth} | " + " | ".join(shown) + " |")
    lines += [
        "",
        "| batch | finish | interpolated | stored | contractive | lost | gained | s per network |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for batch, way in itertools.product(BATCHES, WAYS):
        own = rows.filter(way=way, batch=batch)
        fitted = own.filter(pl.col("loss") <= 1e-8)
        total = int(fitted["n"].sum())
        stored = Rate.of(int(fitted["stored"].sum()), total)
        lines.append(
            f"| {batch} | {way} | {len(fitted)} of {len(own)} | {stored.count} of {stored.total} "
            f"({stored.count / max(1, total):.3f}) | {int(fitted['contractive'].sum())} "
            f"| {int(fitted['lost'].sum())} | {int(fitted['gained'].sum())} "
            f"| {own['seconds'].mean():.1f} |"
        )
    return "\n".join(lines)


def _shown(rows: pl.DataFrame) -> str:
    """The share stored of each number of examples, by networks that interpolated.

    Then the examples lost and gained against no finish, and how many networks did not interpolate.
    """
    shares = []
    for n in COUNTS:
        fitted = rows.filter(pl.col("n") == n, pl.col("loss") <= 1e-8)
        shares.append(f"{fitted['stored'].sum() / (n * len(fitted)):.2f}" if len(fitted) else "-")
    fitted = rows.filter(pl.col("loss") <= 1e-8)
    plain = rows["way"][0] == "none"
    changed = "" if plain else f" (-{fitted['lost'].sum()} +{fitted['gained'].sum()})"
    missed = len(rows) - len(fitted)
    return " / ".join(shares) + changed + (f", {missed} not interpolated" if missed else "")


def _known(path: Path) -> pl.DataFrame:
    return pl.read_csv(path) if path.exists() else pl.DataFrame()


def _missing(cells: Iterable[Cell], known: pl.DataFrame) -> list[Cell]:
    done = set() if known.is_empty() else set(known.select(FACTORS).iter_rows())
    return [cell for cell in cells if cell not in done]


def main() -> None:
    """Measures what the file lacks, and prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", default="finishing.csv", type=Path)
    parser.add_argument("--quick", action="store_true", help="width 128 and 10 examples only")
    given = parser.parse_args()
    widths, counts = ((128,), (10,)) if given.quick else (WIDTHS, COUNTS)
    # The small ones first.
    cells = sorted(
        itertools.product(DATA, counts, widths, DEPTHS, BATCHES),
        key=lambda c: BATCHES[c[4]] * c[1] * c[2] ** 2 * c[3],
    )
    rows = _known(given.file)
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        for found in pool.imap_unordered(measured, _missing(cells, rows)):
            rows = pl.concat([rows, pl.DataFrame(found)]) if len(rows) else pl.DataFrame(found)
            rows.write_csv(given.file)
            print(len(rows), *list(found[0].values())[:4], file=sys.stderr, flush=True)
    print(tables(rows))


if __name__ == "__main__":
    main()
