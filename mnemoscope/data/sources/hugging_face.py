"""Hugging Face datasets, from the hub or a local folder."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import needed_for
from mnemoscope.data.arrays import (
    array_examples,
    check_real,
    decoded_examples,
    holds_numbers,
    integer_rule,
)
from mnemoscope.data.choosing import Columns, asked_columns, feature_columns, not_there
from mnemoscope.data.pictures import decoded, page_count
from mnemoscope.data.reading import Examples, Found, Reading, Rule, Selection
from mnemoscope.data.sources.source import Source


def _read(source: str, selection: Selection, reading: Reading) -> Examples:
    """Reads rows of `hf:<name or folder>[:split]`, from one column.

    A folder may be one that `save_to_disk` wrote, or of pictures or tables as `datasets` reads
    them. `mnemoscope.data.choosing` chooses the column; a dataset without pictures and lists is
    read as a table of numbers. Rows are streamed: no more are read, or downloaded, than are asked
    for.
    """
    reading.refuse_unused(source, "column", "split", "alpha")
    datasets = needed_for(source, "datasets", extra="hf")
    name, split = _name_and_split(source, reading)
    datasets.disable_progress_bars()
    try:
        rows = _load(datasets, name, split).with_format(None)
        chosen = _column(datasets, rows, source, reading)
        dtype = None if chosen.pictures else _dtype(rows.features, chosen.name)
        rule = _rule_of_all(rows, chosen.name) if dtype == np.uint8 else None
        names = [*chosen.scalars] or [chosen.name]
        parts = list(_values(rows.select_columns(names), selection, source))
        values = [
            [row[name] for name in names] if chosen.scalars else row[names[0]] for row in parts
        ]
    except MnemoscopeError:
        raise
    except Exception as error:  # The package raises whatever its readers and its network raise.
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MnemoscopeError(
            f"{source}, which cannot be loaded ({first})",
            expected="hf:<name or folder>[:split], whole and reachable from here",
            todo="check the name, the split and the network",
        ) from error
    origin = f"{source} ({chosen.name})"
    if chosen.pictures:
        images = _checked(values, selection.offset, origin)
        X = decoded(images, "row", origin, selection, reading)
        return decoded_examples(X, reading, column=chosen.name, split=reading.split)
    array = _numbers(values, selection.offset, origin, dtype)
    check_real(array, origin)
    rule = rule if chosen.scalars or rule else integer_rule(array)
    found = Found(array, rule, column=chosen.name, split=reading.split)
    return array_examples(found, origin, selection, reading)


@dataclass(frozen=True)
class Column:
    """The part of each row that is taken.

    Attributes:
        name: The column, or all of `scalars` with commas between them.
        pictures: Whether it holds pictures.
        scalars: The columns of numbers that are a state's entries, where no column holds states.
    """

    name: str
    pictures: bool = False
    scalars: tuple[str, ...] = ()


def _name_and_split(source: str, reading: Reading) -> tuple[str, str | None]:
    text = source.removeprefix("hf:")
    if Path(text).is_dir():
        return text, reading.split
    # A path of another system may have a colon of its own, before a slash.
    match = re.fullmatch(r"(?P<name>.+?)(?::(?P<split>[^/\\:\[\]]+))?", text)
    if match is None or text.endswith((":", "]")):
        raise MnemoscopeError(
            f"{source}",
            expected="hf:<name or folder>[:split], the split a plain name as train or test",
            todo="choose a part of a split with n and offset",
            field="source",
        )
    if match["split"] and reading.split and match["split"] != reading.split:
        raise MnemoscopeError(
            f"{source} with split {reading.split!r}",
            expected="one split",
            todo=f"leave out :{match['split']} or the option",
            field="split",
        )
    return match["name"], match["split"] or reading.split


def _load(datasets: Any, name: str, split: str | None) -> Any:
    """Opens the dataset's rows; their number is known for a folder that `save_to_disk` wrote."""
    folder = Path(name).expanduser()
    wanted = split or "train"
    if (folder / "dataset_dict.json").exists():
        splits = _from_disk(datasets, folder)
        if wanted not in splits:
            raise not_there("split", wanted, f"hf:{name}", splits)
        return splits[wanted]
    if (folder / "state.json").exists():
        rows = _from_disk(datasets, folder)
        if split is not None and split != str(rows.split or "train"):
            raise not_there("split", split, f"hf:{name}", [str(rows.split or "train")])
        return rows
    if name.startswith(("/", ".", "~")) and not folder.exists():
        # Otherwise the hub is queried, for half a minute where there is no network.
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
        # `datasets` fails so on a dataset without rows that it wrote itself.
        raise MnemoscopeError(
            f"hf:{folder}, which has no examples",
            expected="at least one example",
            todo="choose another source",
        ) from error


def _column(datasets: Any, rows: Any, source: str, reading: Reading) -> Column:
    """Chooses the column, or the columns of numbers where none holds whole states."""
    features = rows.features or {}
    first = next(iter(rows), {})
    if not first:
        Selection(None).rows(0, source)
    pictures = [
        name
        for name, value in first.items()
        if isinstance(features.get(name), datasets.Image) or isinstance(value, Image.Image)
    ]
    arrays = [
        name for name, value in first.items() if name not in pictures and holds_numbers(value)
    ]
    classes = [name for name, feature in features.items() if _has_classes(datasets, feature)]
    numbers = {name: value for name, value in first.items() if _is_number(value)}
    asked = () if reading.column is None else asked_columns(reading.column, list(first))
    if (asked and all(name in numbers for name in asked)) or not (asked or pictures or arrays):
        kinds = {name: name in numbers and name not in classes for name in first}
        names = feature_columns(kinds, reading, source)
        return Column(",".join(names), scalars=tuple(names))
    columns = Columns(tuple(first), tuple(pictures), tuple(arrays), tuple(classes))
    name = columns.chosen(reading, source)
    return Column(name, name in pictures)


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float)


def _has_classes(datasets: Any, feature: Any) -> bool:
    """Returns whether a column holds class labels, or lists of them."""
    while (inner := getattr(feature, "feature", None)) is not None:
        feature = inner
    return isinstance(feature, datasets.ClassLabel)


def _dtype(features: Any, column: str) -> np.dtype | None:
    """Returns the type in which a column's numbers were stored; Python's numbers have lost it."""
    feature = (features or {}).get(column)
    while (inner := getattr(feature, "feature", None)) is not None:
        feature = inner
    try:
        return np.dtype(str(getattr(feature, "dtype", None)))
    except TypeError:
        return None


def _rule_of_all(rows: Any, column: str) -> Rule | None:
    """Returns the rule for the whole column, so that any rows are read alike; None of a stream."""
    table = getattr(rows, "data", None)
    if table is None:
        return None
    for chunk in table.column(column).chunks:
        numbers = getattr(chunk, "storage", chunk)
        while hasattr(numbers, "flatten") and hasattr(numbers.type, "value_type"):
            numbers = numbers.flatten()
        if integer_rule(numbers.to_numpy(zero_copy_only=False)) == "divide":
            return "divide"
    return "keep"


def _values(rows: Any, selection: Selection, source: str) -> Iterator[Any]:
    """Yields the rows that are asked for."""
    if hasattr(rows, "__len__"):
        chosen = selection.rows(len(rows), source)
        yield from rows.select(range(chosen.start, chosen.stop))
        return
    found = 0
    wanted = rows.skip(selection.offset)
    for row in wanted if selection.n is None else wanted.take(selection.n):
        found += 1
        yield row
    if found < (selection.n or 1):
        # An empty rest does not show where the end was.
        available = selection.offset + found if found else sum(1 for _ in rows)
        selection.rows(available, source)


def _checked(values: list[Any], first: int, origin: str) -> list[Image.Image]:
    """Returns values that are pictures of one page each."""
    for row, value in enumerate(values, first):
        place = f"{origin}, row {row}"
        if not isinstance(value, Image.Image):
            raise MnemoscopeError(
                f"{place}, which has no picture",
                expected="a picture in every row",
                todo="leave that row out with n and offset",
            )
        if (pages := page_count(value, place)) > 1:
            raise MnemoscopeError(
                f"{place}, a picture of {pages} pages",
                expected="one picture in every row",
                todo="save the pages as pictures of their own, in a folder",
            )
    return values


def _numbers(values: list[Any], first: int, origin: str, dtype: np.dtype | None) -> np.ndarray:
    for row, value in enumerate(values, first):
        if value is None or (isinstance(value, list) and None in value):
            raise MnemoscopeError(
                f"{origin} without a number in row {row}",
                expected="numbers in every row",
                todo="leave that row out with n and offset, or choose another column",
            )
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise MnemoscopeError(
            f"{origin}, whose rows differ in shape",
            expected="arrays of one shape",
            todo="bring them to one shape first",
        ) from error
    same_kind = dtype is not None and array.dtype.kind in "iu" and dtype.kind in "iu"
    return array.astype(dtype) if same_kind else array


SOURCE = Source(
    "hf:<name or folder>[:split]",
    lambda named: isinstance(named, str) and named.startswith("hf:"),
    _read,
    order=3,
)
