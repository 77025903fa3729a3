"""Folders of files that each hold a part of the examples: recordings, tables, CIFAR's batches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.readers import Found, find_reader, read_file
from mnemoscope.data.reading import Reading
from mnemoscope.data.selection import Selection
from mnemoscope.data.tree import of_split
from mnemoscope.data.values import as_tensor


def is_part(path: Path) -> bool:
    """Whether a file is of a format whose files are parts of one set of examples."""
    try:
        reader = find_reader(path)
    except OSError:
        return False
    return reader is not None and reader.parts


def read_parts(paths: list[Path], folder: Path, selection: Selection, reading: Reading) -> Found:
    """Reads the examples in files one after the other, in the order of their names.

    Args:
        paths: The files.
        folder: Where they lie.
        selection: Which of the examples.
        reading: What the caller says.

    Raises:
        MnemoscopeError: a file cannot be read, files are of different formats, or their examples
            differ in shape or dtype.
    """
    chosen, split = of_split(paths, folder, reading)
    formats = {find_reader(path) for path in chosen}
    if len(formats) > 1:
        names = sorted(reader.name for reader in formats if reader is not None)
        raise MnemoscopeError(
            f"{folder}, which holds files of several formats: {', '.join(names)}",
            expected="files of one format",
            todo="name one of them",
        )
    inner = replace(reading, split=None)
    whole = Selection(None, size=selection.size)
    parts: list[Found] = []
    count = 0
    for path in chosen:
        if selection.end is not None and count >= selection.end:
            break
        part = read_file(path, inner, whole)
        _check_alike(parts[0] if parts else part, part, chosen[0], path)
        count += len(part.array)
        # Parts before the first example are counted, not kept.
        parts.append(replace(part, array=part.array[:0]) if count <= selection.offset else part)
    array = _joined(parts)
    skipped = count - len(array)
    rows = Selection(selection.n, selection.offset).rows(count, str(folder))
    array = array[rows.start - skipped : rows.stop - skipped]
    rule = "divide" if any(part.rule == "divide" for part in parts) else parts[0].rule
    return replace(parts[0], array=array, rule=rule, split=split)


def _check_alike(first: Found, part: Found, where: Path, path: Path) -> None:
    """Refuses a part that does not go with the first one."""
    told = [(tuple(found.array.shape[1:]), str(found.array.dtype)) for found in (first, part)]
    if told[0] != told[1] or first.column != part.column or first.full != part.full:
        raise MnemoscopeError(
            f"{path.name}, whose examples are of shape {told[1][0]} and {told[1][1]}, beside "
            f"{where.name}, of shape {told[0][0]} and {told[0][1]}",
            expected="examples of one shape and dtype in all files",
            todo="bring them to one shape first, or name one file",
        )


def _joined(parts: list[Found]) -> Tensor | np.ndarray:
    if all(isinstance(part.array, np.ndarray) for part in parts):
        return np.concatenate([part.array for part in parts])
    return torch.cat([as_tensor(part.array) for part in parts])
