"""Tensors, arrays, and PyTorch's datasets and data loaders."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
    default_convert,
)

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.arrays import array_examples, as_tensor, holds_numbers, stacked
from mnemoscope.data.choosing import Columns
from mnemoscope.data.pictures import decoded
from mnemoscope.data.readers.reader import taken
from mnemoscope.data.reading import Examples, Found, Reading, Selection
from mnemoscope.data.sources.source import Source, described


def is_dataset(source: object) -> bool:
    """Returns whether an object is a dataset or a data loader."""
    return isinstance(source, Dataset | DataLoader)


def _read(source: Any, selection: Selection, reading: Reading) -> Examples:
    origin = described(source)
    if is_dataset(source):
        reading.refuse_unused(origin, "column", "alpha")
        found = _dataset_examples(source, selection, reading)
    else:
        reading.refuse_unused(origin, "alpha")
        found = taken(source, selection, origin)
    return array_examples(found, origin, selection, reading)


def _dataset_examples(source: Any, selection: Selection, reading: Reading) -> Found:
    """Reads examples from a dataset or a data loader, in the order of the dataset.

    The example is the first part of an item `(x, y, …)`; of a dictionary it is the entry that
    `column` names, or the one of a usual name. A data loader that shuffles is read through its
    dataset.
    """
    origin = described(source)
    batches = False
    if isinstance(source, DataLoader):
        plain = isinstance(source.sampler, SequentialSampler | RandomSampler)
        usual = source.collate_fn in (default_collate, default_convert)
        if plain and usual and not isinstance(source.dataset, IterableDataset):
            source = source.dataset
        else:
            batches = source.batch_size is not None or source.batch_sampler is not None
    if isinstance(source, TensorDataset):
        return taken(source.tensors[0], selection, origin)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        listed: Any = source
        chosen = selection.rows(len(listed), origin)
        items: Iterable[Any] = (listed[i] for i in range(chosen.start, chosen.stop))
        _check_steady(listed, chosen.start, reading, origin)
    else:
        items = _streamed(source, batches, selection, origin)
    values = [_example(item, reading, origin) for item in items]
    return _found(values, selection, reading, origin)


def _streamed(source: Any, batches: bool, selection: Selection, origin: str) -> Iterator[Any]:
    """Yields the items of a stream, batches taken apart."""
    rows = _rows(source) if batches else iter(source)
    wanted = islice(rows, selection.offset, selection.end)
    found = 0
    for item in wanted:
        found += 1
        yield item
    if found < (selection.n or 1):
        selection.rows(selection.offset + found if found else 0, origin)


def _rows(source: Iterable[Any]) -> Iterator[Any]:
    for batch in source:
        if isinstance(batch, Mapping):
            size = len(next(iter(batch.values())))
            yield from ({name: part[i] for name, part in batch.items()} for i in range(size))
        elif isinstance(batch, Sequence) and not isinstance(batch, Tensor):
            yield from ((part,) for part in batch[0])
        else:
            yield from batch


def _check_steady(source: Any, index: int, reading: Reading, origin: str) -> None:
    """Refuses a dataset whose items change: what is audited must be what was trained on."""
    once, again = (_example(source[index], reading, origin) for _ in range(2))
    same = type(once) is type(again) and (
        once == again if isinstance(once, Image.Image) else np.array_equal(once, again)
    )
    if not same:
        raise MnemoscopeError(
            f"{origin}, whose item {index} differs when it is read again",
            expected="the same example each time",
            todo="pass the dataset without its random transforms",
        )


def _example(item: Any, reading: Reading, origin: str) -> Any:
    """Returns the part of an item that is the example."""
    if isinstance(item, Mapping):
        names = tuple(map(str, item))
        pictures = tuple(n for n in names if isinstance(item[n], Image.Image))
        arrays = tuple(n for n in names if n not in pictures and holds_numbers(item[n]))
        item = item[Columns(names, pictures, arrays, ()).chosen(reading, origin, quiet=True)]
    elif isinstance(item, tuple | list) and item and not np.isscalar(item[0]):
        item = item[0]
    if not isinstance(item, Tensor | np.ndarray | Image.Image | list | tuple):
        raise MnemoscopeError(
            f"{origin} with items of type {type(item).__name__}",
            expected="items that are or begin with a tensor, an array or a picture",
            todo="wrap the dataset so that its items are the examples",
        )
    return item if isinstance(item, Tensor | Image.Image) else np.asarray(item)


def _found(values: list[Any], selection: Selection, reading: Reading, origin: str) -> Found:
    if isinstance(values[0], Image.Image):
        return Found(decoded(values, "item", origin, selection, reading), scaled=True)
    rows = stacked([as_tensor(value) for value in values], "item", origin, selection.offset)
    return taken(rows, Selection(None), origin)


SOURCE = Source(
    "a tensor, an array, a Dataset, a DataLoader",
    lambda named: isinstance(named, Tensor | np.ndarray) or is_dataset(named),
    _read,
    borrowed=True,
    order=4,
)
