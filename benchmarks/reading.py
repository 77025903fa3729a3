"""Reading a large table, compared with polars alone.

python benchmarks/reading.py [pairs]

A Parquet file of 100,000 rows and 100 columns of float64: `mn.load_data`, which checks, copies and
gives a float32 tensor, and `polars.read_parquet(...).to_torch(dtype=Float32)`, in turn.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from timing import HEADER, PAIRS, Comparison, compare, table

import mnemoscope as mn

ROWS, COLUMNS = 100_000, 100

REACH = 1 / 1.5
"""Polars is to be at most 1.5 times as fast."""


def comparisons(pairs: int) -> list[Comparison]:
    X = np.random.default_rng(0).random((ROWS, COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        pl.DataFrame(X, schema=[f"c{i}" for i in range(COLUMNS)]).write_parquet(path)
        return [
            compare(
                f"a Parquet table of {ROWS:,} rows and {COLUMNS} columns",
                lambda: mn.load_data(path),
                lambda: pl.read_parquet(path).to_torch(dtype=pl.Float32),
                pairs=pairs,
                reach=REACH,
            )
        ]


if __name__ == "__main__":
    found = comparisons(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS)
    print(table(HEADER, [each.row() for each in found]))
