"""Results as flat dictionaries of numbers, truth values, text and checksums."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from torch import Tensor

MOMENTS = ("seconds", "rate_per_second", "date", "predicted_seconds", "pass_seconds")
"""Names of values that differ from run to run."""


def flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yields the values below a name, those of dictionaries, lists, tables and tensors each."""
    if name.rsplit("/", 1)[-1] in MOMENTS:
        return
    parts = _parts(value)
    if parts is None:
        yield name, _leaf(value)
        return
    for key, each in parts:
        yield from flat(f"{name}/{key}", each)


def _parts(value: Any) -> Iterable[tuple[object, Any]] | None:
    """Returns what a value consists of, by name or place; None if it is one value."""
    if isinstance(value, pl.DataFrame):
        return value.to_dict(as_series=False).items()
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, Tensor):
        return None if value.numel() > 64 or value.ndim == 0 else enumerate(value.tolist())
    if isinstance(value, complex):
        return enumerate([value.real, value.imag])
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str)
    return enumerate(value) if is_sequence else None


def _leaf(value: Any) -> Any:
    """Returns one value as JSON holds it."""
    if isinstance(value, Tensor):
        return _digest(value) if value.numel() > 64 else _leaf(value.item())
    if isinstance(value, float):
        # JSON knows neither NaN nor infinity; hexadecimal digits are the number itself.
        return value.hex() if math.isfinite(value) else str(value)
    return value


def _digest(value: Tensor) -> str:
    entries = value.detach().cpu().contiguous()
    text = f"{entries.dtype} {tuple(entries.shape)}".encode()
    return hashlib.sha256(text + entries.numpy().tobytes()).hexdigest()[:16]
