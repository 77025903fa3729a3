"""PyTorch's `.pt`: a tensor, or tensors in dictionaries, lists and tuples; never a pickled object.

Lists of tensors of one shape are examples, and so are lists of dictionaries or tuples of such
tensors, one for each example. Other containers are read by name: a nested dictionary's entries as
`train/x`, a tuple's as `0`, `1`.
"""

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stored_tensors import computable
from mnemoscope.data.arrays import stacked
from mnemoscope.data.choosing import Entry, chosen_key
from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection

DEEPEST = 20
"""How deep containers may nest."""


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the tensor that is meant."""
    with path.open("rb") as file:
        start = file.read(2)
    # PyTorch takes any other file for a pickle, and would report one.
    if start != b"PK" and (start[:1] != b"\x80" or len(start) < 2):
        raise ValueError("it is not a PyTorch file")
    if start == b"PK":
        if not zipfile.is_zipfile(path):
            raise ValueError("it is cut off")
        with zipfile.ZipFile(path) as archive:
            _refuse_programs(path, archive.namelist())
    # An open file: of a path PyTorch would trust the ending.
    with warnings.catch_warnings(), path.open("rb") as file:
        # Of a pickle's protocol; what cannot be read raises an error.
        warnings.simplefilter("ignore")
        content = torch.load(file, weights_only=True, map_location="cpu")
    if isinstance(content, Tensor):
        reading.refuse_unused(str(path), "alpha")
        return taken(computable(content, str(path)), selection, str(path))
    tensors = dict(_tensors(content))
    if not tensors:
        raise ValueError(f"it holds a {type(content).__name__} without a tensor")
    entries = {name: Entry(_shape(made), _is_real(made)) for name, made in tensors.items()}
    chosen = chosen_key(entries, str(path), reading)
    made = tensors[chosen.key]
    if isinstance(made, list):
        made = stacked(made, "entry", f"{path}, {chosen.key}" if chosen.key else str(path))
    return taken(computable(made, str(path)), selection, str(path), **chosen.record)


def _refuse_programs(path: Path, names: list[str]) -> None:
    if any(name.endswith("constants.pkl") for name in names):
        raise MnemoscopeError(
            f"{path}, a TorchScript program",
            expected="a file of tensors",
            todo="save the examples with torch.save(X, path)",
        )


def _tensors(content: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yields the tensors of a container by name; the examples of a list as one entry."""
    if depth > DEEPEST:
        return
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, np.ndarray):
        yield name, torch.from_numpy(content) if content.dtype.kind in "biuf" else content
    elif isinstance(content, Mapping):
        for key, part in content.items():
            yield from _tensors(part, _under(name, key), depth + 1)
    elif isinstance(content, list | tuple) and content:
        kinds = {type(part) for part in content}
        first = content[0]
        if isinstance(content, list) and kinds == {type(first)}:
            yield from _rows(content, name)
            return
        for place, part in enumerate(content):
            yield from _tensors(part, _under(name, place), depth + 1)


def _rows(content: list[Any], name: str) -> Iterator[tuple[str, Any]]:
    """Yields the examples of a list, by the names or places in each of its entries."""
    first = content[0]
    if isinstance(first, Tensor):
        yield name, content
    elif isinstance(first, Mapping):
        for key, part in first.items():
            if isinstance(part, Tensor):
                yield _under(name, key), [row.get(key) for row in content]
    elif isinstance(first, list | tuple):
        for place, part in enumerate(first):
            if isinstance(part, Tensor):
                rows = [row[place] if place < len(row) else None for row in content]
                yield _under(name, place), rows


def _under(name: str, key: object) -> str:
    return f"{name}/{key}" if name else str(key)


def _shape(made: Any) -> tuple[int, ...]:
    return (len(made), *made[0].shape) if isinstance(made, list) else tuple(made.shape)


def _is_real(made: Any) -> bool:
    tensor = made[0] if isinstance(made, list) else made
    return isinstance(tensor, Tensor) and not tensor.is_complex()


READER = Reader(
    name="PyTorch file (.pt) of tensors",
    suffixes=(".pt", ".pth"),
    read=read,
    begins=lambda head: head.startswith(b"PK") and b"/data.pkl" in head,
    uses=("key", "split"),
)
