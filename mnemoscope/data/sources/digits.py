"""Scikit-learn's 1,797 handwritten digits: 8 × 8 pixels of 17 levels."""

import torch

from mnemoscope.data.arrays import from_range
from mnemoscope.data.reading import Examples, Reading, Selection
from mnemoscope.data.sources.source import Source, is_called

LEVELS = 16
"""The largest number in the data set."""


def _read(name: str, selection: Selection, reading: Reading) -> Examples:
    # Imported here because it takes two seconds, which those who bring their own data save.
    from sklearn.datasets import load_digits

    reading.refuse_unused(name)
    images = load_digits().images  # pyright: ignore[reportAttributeAccessIssue]
    X = torch.from_numpy(images / LEVELS).float()[:, None]
    X = X[selection.rows(len(X), name)]
    X = X * LEVELS if reading.rule == "keep" else X
    return Examples(from_range(X, reading), reading.scale)


SOURCE = Source("digits", is_called("digits"), _read, bundled=True, order=1)
