"""Files and folders: pictures, arrays, tables, and folders of any of these."""

import os
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.arrays import array_examples, as_tensor, decoded_examples
from mnemoscope.data.choosing import files_in, of_split
from mnemoscope.data.pictures import folder_pictures, is_picture_file, picture_files
from mnemoscope.data.readers import find_reader, read_file
from mnemoscope.data.reading import Examples, Found, Reading, Selection
from mnemoscope.data.sources.source import SOURCES, Source, known_sources

PICKLES = (".pkl", ".pickle", ".joblib")


def _recognizes(named: object) -> bool:
    return isinstance(named, str | os.PathLike) and isinstance(os.fspath(named), str)


def _read(named: str | os.PathLike[str], selection: Selection, reading: Reading) -> Examples:
    if not os.fspath(named).strip():
        raise MnemoscopeError(
            "an empty source", expected=known_sources(), todo="name one of these", field="source"
        )
    path = _existing(Path(named))
    if path.is_dir():
        return _read_folder(path, selection, reading)
    if is_picture_file(path) and path.is_file():
        reading.refuse_unused(str(path))
        return decoded_examples(picture_files([path], str(path), selection, reading), reading)
    pickled = path.suffix.lower() in PICKLES
    if pickled or not path.is_file():
        raise MnemoscopeError(
            f"{path}, a {path.suffix.lower() or 'nameless'} file",
            expected=known_sources(),
            todo="a pickle is never read: save its array with numpy.save"
            if pickled
            else "put pictures into a folder, or save arrays with numpy.save",
            field="source",
        )
    return array_examples(read_file(path, reading, selection), str(path), selection, reading)


def _existing(path: Path) -> Path:
    """Returns the path, with the home folder filled in, of something that exists."""
    try:
        if not str(path).isprintable():
            raise ValueError("it has a character that cannot be printed")
        path = path.expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        near = _nearest(path)
        raise MnemoscopeError(
            f"{path}, which does not exist",
            expected=known_sources(),
            todo=f"did you mean {near}?" if near else "check the path",
            field="source",
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise MnemoscopeError(
            f"{str(path)[:80]!r}, which is no usable path ({getattr(error, 'strerror', error)})",
            expected=known_sources(),
            todo="check the path and its permissions",
            field="source",
        ) from error
    return path


def _nearest(path: Path) -> str | None:
    """Suggests a bundled source, or a neighbour of the missing file."""
    bundled = [source.name for source in SOURCES.values() if source.bundled]
    if near := get_close_matches(str(path), bundled, n=1):
        return near[0]
    try:
        neighbours = [neighbour.name for neighbour in path.parent.iterdir()]
    except OSError:
        return None
    near = get_close_matches(path.name, neighbours, n=1)
    return str(path.parent / near[0]) if near else None


def _read_folder(folder: Path, selection: Selection, reading: Reading) -> Examples:
    """Reads the pictures in a folder, or the examples in files that hold a part each."""
    if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
        raise MnemoscopeError(
            f"{folder}, a Hugging Face dataset",
            expected=known_sources(),
            todo=f"load hf:{folder}",
            field="source",
        )
    pictures = files_in(folder, is_picture_file)
    if not pictures and (parts := files_in(folder, _is_part)):
        found = _read_parts(parts, folder, selection, reading)
        return array_examples(found, str(folder), selection, reading)
    reading.refuse_unused(str(folder), "split")
    X, split = folder_pictures(pictures, folder, selection, reading)
    return decoded_examples(X, reading, split=split)


def _is_part(path: Path) -> bool:
    """Returns whether each file of its format is a part of one set of examples."""
    try:
        reader = find_reader(path)
    except OSError:
        return False
    return reader is not None and reader.parts


def _read_parts(paths: list[Path], folder: Path, selection: Selection, reading: Reading) -> Found:
    """Reads files one after the other, in the order of their names."""
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
    parts: list[Found] = []
    count = 0
    for path in chosen:
        if selection.end is not None and count >= selection.end:
            break
        part = read_file(path, inner, Selection(None, size=selection.size))
        _check_alike(parts[0] if parts else part, part, chosen[0], path)
        count += len(part.array)
        # Parts before the first example are counted, not kept.
        parts.append(replace(part, array=part.array[:0]) if count <= selection.offset else part)
    array = _joined(parts)
    skipped = count - len(array)
    rows = selection.rows(count, str(folder))
    array = array[rows.start - skipped : rows.stop - skipped]
    rule = "divide" if any(part.rule == "divide" for part in parts) else parts[0].rule
    return replace(parts[0], array=array, rule=rule, split=split)


def _check_alike(first: Found, part: Found, where: Path, path: Path) -> None:
    kinds = [(tuple(found.array.shape[1:]), str(found.array.dtype)) for found in (first, part)]
    if kinds[0] != kinds[1] or first.column != part.column or first.full != part.full:
        raise MnemoscopeError(
            f"{path.name}, whose examples are of shape {kinds[1][0]} and {kinds[1][1]}, and "
            f"{where.name}, of shape {kinds[0][0]} and {kinds[0][1]}",
            expected="examples of one shape and dtype in all files",
            todo="bring them to one shape first, or name one file",
        )


def _joined(parts: list[Found]) -> Tensor | np.ndarray:
    if all(isinstance(part.array, np.ndarray) for part in parts):
        return np.concatenate([part.array for part in parts])
    return torch.cat([as_tensor(part.array) for part in parts])


SOURCE = Source(
    "a path of a picture, of a file of arrays or a table, or of a folder of these",
    _recognizes,
    _read,
    order=1000,
)
