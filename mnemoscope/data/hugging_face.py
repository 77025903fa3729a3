"""Hugging Face datasets, from the hub or a local folder."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mnemoscope.data.arrays import array_examples
from mnemoscope.data.decoding import picture_tensor
from mnemoscope.data.pictures import of_one_kind, squared
from mnemoscope.data.selection import Selection
from mnemoscope.errors import MnemoscopeError


def hugging_face_examples(
    source: str, selection: Selection, size: int | None
) -> Float[Tensor, " n *shape"]:
    """Rows of `hf:<name or folder>[:split]`: its first column of pictures.

    A folder may be one that `save_to_disk` wrote, or of pictures or Parquet files as `datasets`
    reads them. Where no column has pictures, the first one of numbers is taken. Rows are
    streamed: no more are read, or downloaded, than are asked for.

    Raises:
        MnemoscopeError: `datasets` is not installed, the dataset, its split or such a column
            cannot be had, or it has fewer rows.
    """
    try:
        import datasets
    except ImportError as error:
        raise MnemoscopeError(
            f"{source}, without the package `datasets`",
            expected="Mnemoscope with its extra hf",
            todo="pip install 'mnemoscope[hf]'",
        ) from error
    name, split = _name_and_split(source)
    datasets.disable_progress_bars()
    try:
        rows = _load(datasets, name, split).with_format(None)
        column, pictures = _column(datasets, rows, source)
        values = list(_values(rows.select_columns([column]), column, selection, source))
    except MnemoscopeError:
        raise
    except Exception as error:  # The package raises whatever its readers and its network raise.
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MnemoscopeError(
            f"{source}, which cannot be loaded ({first})",
            expected="hf:<name or folder>[:split], whole and reachable from here",
            todo="check the name, the split and the network",
        ) from error
    labels = [f"row {selection.offset + index}" for index in range(len(values))]
    if pictures:
        return _pictures(values, labels, f"{source} ({column})", size)
    return _numbers(values, f"{source} ({column})", selection.offset)


def _name_and_split(source: str) -> tuple[str, str | None]:
    text = source.removeprefix("hf:")
    if Path(text).is_dir():
        return text, None
    # A path of another system may have a colon of its own, before a slash.
    match = re.fullmatch(r"(?P<name>.+?)(?::(?P<split>[^/\\:\[\]]+))?", text)
    if match is None or text.endswith((":", "]")):
        raise MnemoscopeError(
            f"{source}",
            expected="hf:<name or folder>[:split], the split a plain name as train or test",
            todo="choose a part of a split with n and offset",
        )
    return match["name"], match["split"]


def _load(datasets: Any, name: str, split: str | None) -> Any:
    """The dataset's rows, known in number where a folder was written by `save_to_disk`."""
    folder = Path(name).expanduser()
    wanted = split or "train"
    if (folder / "dataset_dict.json").exists():
        splits = _from_disk(datasets, folder)
        if wanted not in splits:
            raise _no_such_split(name, wanted, list(splits))
        return splits[wanted]
    if (folder / "state.json").exists():
        rows = _from_disk(datasets, folder)
        if split is not None and split != str(rows.split or "train"):
            raise _no_such_split(name, split, [str(rows.split or "train")])
        return rows
    if name.startswith(("/", ".", "~")) and not folder.exists():
        # The hub would be asked for it, for half a minute where there is no network.
        raise MnemoscopeError(
            f"hf:{name}, a folder that does not exist",
            expected="a folder with a dataset, or a name on the hub",
            todo="check the path",
        )
    return datasets.load_dataset(
        str(folder) if folder.exists() else name, split=wanted, streaming=True
    )


def _from_disk(datasets: Any, folder: Path) -> Any:
    try:
        return datasets.load_from_disk(str(folder))
    except IndexError as error:
        # So `datasets` fails over a dataset without rows that it wrote itself.
        raise MnemoscopeError(
            f"hf:{folder}, which has no examples",
            expected="at least one example",
            todo="choose another source",
        ) from error


def _no_such_split(name: str, split: str, splits: list[str]) -> MnemoscopeError:
    return MnemoscopeError(
        f"hf:{name} with split {split!r}",
        expected=f"one of its splits: {', '.join(splits)}",
        todo="choose one of these",
    )


def _column(datasets: Any, rows: Any, source: str) -> tuple[str, bool]:
    """The column to take, and whether it has pictures."""
    features = rows.features or {}
    for column, feature in features.items():
        if isinstance(feature, datasets.Image):
            return column, True
    first = next(iter(rows), {})
    for column, value in first.items():
        if isinstance(value, Image.Image):
            return column, True
    for column, value in first.items():
        if _is_array(value):
            return column, False
    if not first:
        Selection(None).rows(0, source)
    raise MnemoscopeError(
        f"{source} with columns {', '.join(first)}",
        expected="a column of pictures or of arrays",
        todo="choose another dataset",
    )


def _is_array(value: Any) -> bool:
    try:
        array = np.asarray(value)
    except ValueError:
        return False
    return array.ndim > 0 and array.dtype.kind in "biuf"


def _values(rows: Any, column: str, selection: Selection, source: str) -> Iterator[Any]:
    """The column's values in the rows that are asked for."""
    if hasattr(rows, "__len__"):
        chosen = selection.rows(len(rows), source)
        yield from (row[column] for row in rows.select(range(chosen.start, chosen.stop)))
        return
    found = 0
    wanted = rows.skip(selection.offset)
    for row in wanted if selection.n is None else wanted.take(selection.n):
        found += 1
        yield row[column]
    if found < (selection.n or 1):
        # Past the end nothing tells where the end was.
        available = selection.offset + found if found else sum(1 for _ in rows)
        selection.rows(available, source)


def _pictures(values: list[Any], labels: list[str], told: str, size: int | None) -> Tensor:
    pictures = []
    for value, label in zip(values, labels, strict=True):
        if not isinstance(value, Image.Image):
            raise MnemoscopeError(
                f"{told} without a picture in {label}",
                expected="a picture in every row",
                todo="leave that row out with n and offset",
            )
        picture = picture_tensor(value, f"{told}, {label}")
        pictures.append(picture if size is None else squared(picture[None], size)[0])
    return of_one_kind(pictures, labels)


def _numbers(values: list[Any], told: str, first: int) -> Tensor:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise MnemoscopeError(
            f"{told}, whose rows differ in shape",
            expected="arrays of one shape",
            todo="bring them to one shape first",
        ) from error
    return array_examples(array, told, first=first)
