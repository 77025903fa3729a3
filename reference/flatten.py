"""Results as flat dictionaries of numbers, truth values, text and checksums."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from torch import Tensor

MOMENTS = ("seconds", "rate_per_second", "date", "predicted_seconds", "pass_seconds")
"""Names of values that differ from run to run."""


def flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yields the values below a name, those of dictionaries, lists, tables and tensors each."""
    if name.rsplit("/", 1)[-1] in MOMENTS:
        return
    if isinstance(value, pl.DataFrame):
        for column in value.columns:
            yield from flat(f"{name}/{column}", value[column].to_list())
    elif isinstance(value, Tensor):
        if value.numel() > 64:
            yield name, _digest(value)
        else:
            yield from flat(name, value.tolist())
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from flat(f"{name}/{key}", each)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, each in enumerate(value):
            yield from flat(f"{name}/{place}", each)
    elif isinstance(value, float):
        # JSON knows neither NaN nor infinity; hexadecimal digits are the number itself.
        yield name, value.hex() if math.isfinite(value) else str(value)
    elif isinstance(value, complex):
        yield from flat(name, [value.real, value.imag])
    else:
        yield name, value


def _digest(value: Tensor) -> str:
    entries = value.detach().cpu().contiguous()
    text = f"{entries.dtype} {tuple(entries.shape)}".encode()
    return hashlib.sha256(text + entries.numpy().tobytes()).hexdigest()[:16]
