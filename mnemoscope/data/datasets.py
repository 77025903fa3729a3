"""PyTorch's datasets and data loaders as a source of examples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
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
from mnemoscope.data.columns import Columns
from mnemoscope.data.decoding import picture_tensor
from mnemoscope.data.pictures import of_one_kind, squared
from mnemoscope.data.readers.reader import Found, taken
from mnemoscope.data.reading import Reading
from mnemoscope.data.selection import Selection
from mnemoscope.data.values import as_tensor


def is_dataset(source: object) -> bool:
    """Whether a source is a dataset or a data loader."""
    return isinstance(source, Dataset | DataLoader)


def dataset_examples(source: Any, selection: Selection, reading: Reading) -> Found:
    """Reads examples from a dataset or a data loader, in the order of the dataset.

    Of an item `(x, y, …)` the first part is the example, of a dictionary the entry that `column`
    names, or the one of the usual names. A data loader that shuffles is read through its dataset.

    Raises:
        MnemoscopeError: an item changes when it is read again (a random transform), items differ in
            shape, it has no or too few items, or items hold nothing that could be an example.
    """
    told = f"a {type(source).__name__}"
    batches = False
    if isinstance(source, DataLoader):
        plain = isinstance(source.sampler, SequentialSampler | RandomSampler)
        usual = source.collate_fn in (default_collate, default_convert)
        if plain and usual and not isinstance(source.dataset, IterableDataset):
            source = source.dataset
        else:
            batches = source.batch_size is not None or source.batch_sampler is not None
    if isinstance(source, TensorDataset):
        rows, rule = taken(source.tensors[0], selection, told)
        return Found(rows, rule)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        listed: Any = source
        chosen = selection.rows(len(listed), told)
        items: Iterable[Any] = (listed[i] for i in range(chosen.start, chosen.stop))
        _check_steady(listed, chosen.start, reading, told)
    else:
        items = _streamed(source, batches, selection, told)
    values = [_example(item, reading, told) for item in items]
    return _stacked(values, selection, reading, told)


def _streamed(source: Any, batches: bool, selection: Selection, told: str) -> Iterator[Any]:
    """The items of a stream, batches taken apart."""
    rows = _rows(source) if batches else iter(source)
    wanted = islice(rows, selection.offset, selection.end)
    found = 0
    for item in wanted:
        found += 1
        yield item
    if found < (selection.n or 1):
        selection.rows(selection.offset + found if found else 0, told)


def _rows(source: Iterable[Any]) -> Iterator[Any]:
    for batch in source:
        if isinstance(batch, Mapping):
            size = len(next(iter(batch.values())))
            yield from ({name: part[i] for name, part in batch.items()} for i in range(size))
        elif isinstance(batch, Sequence) and not isinstance(batch, Tensor):
            yield from ((part,) for part in batch[0])
        else:
            yield from batch


def _check_steady(source: Any, index: int, reading: Reading, told: str) -> None:
    """Refuses a dataset whose items change: what is audited must be what was trained on."""
    once, again = (_example(source[index], reading, told) for _ in range(2))
    same = type(once) is type(again) and (
        once == again if isinstance(once, Image.Image) else np.array_equal(once, again)
    )
    if not same:
        raise MnemoscopeError(
            f"{told}, whose item {index} differs when it is read again",
            expected="the same example each time",
            todo="pass the dataset without its random transforms",
        )


def _example(item: Any, reading: Reading, told: str) -> Any:
    """The part of an item that is the example."""
    if isinstance(item, Mapping):
        names = tuple(map(str, item))
        pictures = tuple(n for n in names if isinstance(item[n], Image.Image))
        arrays = tuple(n for n in names if n not in pictures and _has_numbers(item[n]))
        item = item[Columns(names, pictures, arrays, ()).chosen(reading, told, quiet=True)]
    elif isinstance(item, tuple | list) and item and not np.isscalar(item[0]):
        item = item[0]
    if not isinstance(item, Tensor | np.ndarray | Image.Image | list | tuple):
        raise MnemoscopeError(
            f"{told} with items of type {type(item).__name__}",
            expected="items that are or begin with a tensor, an array or a picture",
            todo="wrap the dataset so that its items are the examples",
        )
    return item if isinstance(item, Tensor | Image.Image) else np.asarray(item)


def _has_numbers(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim > 0
    try:
        array = np.asarray(value)
    except ValueError:
        return False
    return array.ndim > 0 and array.dtype.kind in "biuf"


def _stacked(values: list[Any], selection: Selection, reading: Reading, told: str) -> Found:
    if isinstance(values[0], Image.Image):
        labels = [f"item {selection.offset + i}" for i in range(len(values))]
        pictures = [
            picture_tensor(value, f"{told}, {label}", keep=reading.rule == "keep")
            for value, label in zip(values, labels, strict=True)
        ]
        if selection.size is not None:
            pictures = [squared(picture[None], selection.size)[0] for picture in pictures]
        return Found(of_one_kind(pictures, labels), scaled=True)
    tensors = [as_tensor(value) for value in values]
    for place, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            raise MnemoscopeError(
                f"{told}, whose items differ in shape: item {selection.offset} has "
                f"{tuple(tensors[0].shape)}, item {selection.offset + place} {tuple(tensor.shape)}",
                expected="examples of one shape",
                todo="bring them to one shape in the dataset's transform",
            )
    rows, rule = taken(torch.stack(tensors), Selection(None), told)
    return Found(rows, rule)
