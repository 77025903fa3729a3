"""Chooses the part of a source that holds the examples.

Of a folder: the files of one split, named by a subfolder or the file, without masks and labels. Of
a file with several arrays: an array of real numbers that has an axis of examples and one more;
parts of a name that name a split (`x_train`, `test_images`, `train/x`) choose the split, and a
usual name (`X`, `images`) comes before others. Of a dataset: a column of pictures before one of
arrays. What says by its type or its name that it holds labels, masks or identifiers is never taken
unasked. Where this does not decide, the caller must. A table of plain numbers has one column for
each entry of a state.
"""

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import plural
from mnemoscope.data.reading import Reading

USUAL = frozenset(
    re.findall(
        r"\w+",
        "image images img imgs picture pictures photo pixels pixel_values x input inputs "
        "input_values data feature features values signal series",
    )
)
"""Names, in lower case, that examples usually have."""

NEVER = frozenset(
    re.findall(
        r"\w+",
        "label labels target targets y class classes category categories mask masks annotation "
        "annotations segmentation segmentations id ids index idx bbox bboxes box boxes objects "
        "onehot attention weight weights answer answers",
    )
)
"""Words, in lower case, that the name of a column of examples never contains."""

LABELS = {"", "unnamed: 0", "__index_level_0__"} | {"label", "labels", "target", "targets", "class"}
LABELS |= {"classes", "index", "id", "row"}
"""Names, in lower case, that a column of a feature never has."""

SHOWN = 20
"""Names that a message lists."""

log = logging.getLogger("mnemoscope")


@dataclass(frozen=True)
class Columns:
    """The columns of a dataset.

    Attributes:
        names: All of them.
        pictures: Those of pictures.
        arrays: Those of numbers in lists or arrays.
        classes: Those whose type says that they hold class labels.
    """

    names: tuple[str, ...]
    pictures: tuple[str, ...]
    arrays: tuple[str, ...]
    classes: tuple[str, ...]

    def chosen(self, reading: Reading, origin: str, *, quiet: bool = False) -> str:
        """Returns the column to take, and logs it unless `quiet`."""
        usable = (*self.pictures, *self.arrays)
        if reading.column in usable:
            log.info("%s: column %s", origin, reading.column)
            return str(reading.column)
        if reading.column is not None and reading.strict:
            raise not_there("column", reading.column, origin, usable)
        name = self._meant(origin, usable)
        others = [other for other in self.names if other != name]
        if others and not quiet:
            log.warning(
                "%s: column %s is taken (not %s); column=..., --column takes another",
                origin,
                name,
                ", ".join(others),
            )
        return name

    def _meant(self, origin: str, usable: tuple[str, ...]) -> str:
        if not usable:
            raise MnemoscopeError(
                f"{origin} with columns {listed(self.names)}",
                expected="a column of pictures or of arrays",
                todo="choose another dataset",
            )
        for candidates in (self.pictures, self.arrays):
            left = [name for name in candidates if not self._is_label(name)]
            usual = [name for name in left if name.lower() in USUAL]
            for found in (left, usual):
                if len(found) == 1:
                    return found[0]
            if left:
                raise _ambiguous(origin, left)
        raise _ambiguous(origin, list(usable))

    def _is_label(self, name: str) -> bool:
        return name in self.classes or not NEVER.isdisjoint(words(name))


def words(name: str) -> list[str]:
    """Returns the words of a name such as `pixel_mask` or `targetImage`, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def _ambiguous(origin: str, names: list[str]) -> MnemoscopeError:
    return MnemoscopeError(
        f"{origin}, where the column{'s' if len(names) > 1 else ''} {', '.join(names)} could "
        "hold the examples",
        expected="one column",
        todo=f'name it: column="{names[0]}", --column {names[0]}',
        field="column",
        choices=names,
    )


def listed(names: Iterable[str]) -> str:
    """Lists names for a message, at most `SHOWN` of them."""
    names = list(names)
    shown = ", ".join(names[:SHOWN]) or "no array"
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def not_there(field: str, given: str, origin: str, choices: Iterable[str]) -> MnemoscopeError:
    """Builds the error for a key, a column or a split that a source does not have."""
    names = tuple(choices)
    kinds = {"key": "arrays", "column": "columns that can hold examples", "split": "splits"}
    return MnemoscopeError(
        f"{field} {given!r} of {origin}",
        expected=f"one of its {kinds[field]}: {listed(names) if names else 'it has none'}",
        todo="choose from these" if names else f"leave {field} out",
        field=field,
        choices=names,
    )


def asked_columns(column: str, names: Sequence[str]) -> list[str]:
    """Returns the columns that a text names: one of that very name, or several between commas."""
    return [column] if column in names else [name.strip() for name in column.split(",")]


def feature_columns(kinds: Mapping[str, bool], reading: Reading, origin: str) -> list[str]:
    """Returns the columns that are the entries of a state; `kinds`: which ones hold numbers."""
    numbers = [name for name, real in kinds.items() if real]
    if reading.column is not None:
        asked = asked_columns(reading.column, list(kinds))
        wrong = [name for name in asked if name not in numbers]
        if not wrong:
            return asked
        if reading.strict:
            raise not_there("column", wrong[0], origin, numbers)
    left = [name for name in numbers if name.strip().lower() not in LABELS]
    others = [name for name in kinds if name not in left]
    if not left:
        raise MnemoscopeError(
            f"{origin}, with columns {listed(kinds)}",
            expected="columns of numbers, pictures or arrays that are no labels by name",
            todo=f'name them: column="{numbers[0]}", --column {numbers[0]}'
            if numbers
            else "turn classes into numbers first",
        )
    if others:
        log.warning(
            "%s: taken: %s of numbers, not %s; column=..., --column A,B takes others",
            origin,
            plural(len(left), "column"),
            listed(others),
        )
    return left


NAMES = ("X", "x", "images", "data")
"""Usual names, in the order in which they are preferred."""

SPLITS = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("test", "testing", "te"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
}
"""Words that name a split, and the split's usual name."""


class Entry(NamedTuple):
    """One of a file's arrays, by its header.

    Attributes:
        shape: Its shape; None where it is unknown without reading it.
        real: Whether it holds real numbers.
    """

    shape: tuple[int, ...] | None
    real: bool = True


class Chosen(NamedTuple):
    """The array to take.

    Attributes:
        key: Its name.
        split: The split that its name says, if any.
        among: The number of arrays in the file.
    """

    key: str
    split: str | None
    among: int

    @property
    def record(self) -> dict[str, Any]:
        """Key and split, as they are recorded: no key of the only array."""
        return {"key": self.key if self.among > 1 else None, "split": self.split}


def split_of(name: str) -> str | None:
    """Returns the split that a name says, such as `train` of `x_train`; None if it says none."""
    found = {SPLITS[word] for word in words(name) if word in SPLITS}
    return found.pop() if len(found) == 1 else None


def same_split(asked: str, split: str | None) -> bool:
    """Returns whether a split is the one that was asked for, by any of its usual names."""
    return split is not None and SPLITS.get(asked.lower(), asked) == SPLITS.get(split, split)


def chosen_key(entries: Mapping[str, Entry], origin: str, reading: Reading) -> Chosen:
    """Returns the array to take, and logs it; the caller's key goes before all else."""
    if reading.key is not None and (reading.strict or reading.key in entries):
        if reading.key not in entries:
            raise not_there("key", reading.key, origin, entries)
        return Chosen(reading.key, split_of(reading.key), len(entries))
    usable = [
        name
        for name, entry in entries.items()
        if entry.real and (entry.shape is None or (len(entry.shape) > 1 and 0 not in entry.shape))
    ]
    if len(entries) == 1 and not usable:
        usable = list(entries)  # What is wrong with the only one is said of it.
    name = _meant(usable, entries, origin, reading)
    likely = len([other for other in usable if other.rpartition("/")[2] in NAMES]) > 1
    if len(entries) > 1:
        log.log(
            logging.WARNING if likely else logging.INFO,
            '%s: the array "%s" is taken (of %s); key=..., --key takes another',
            origin,
            name,
            listed(entries),
        )
    return Chosen(name, split_of(name), len(entries))


def _meant(usable: list[str], entries: Mapping[str, Entry], origin: str, reading: Reading) -> str:
    left = [name for name in usable if not NEVER.intersection(words(name))] or usable
    splits = {name: split_of(name) for name in left}
    if reading.split is not None and (any(splits.values()) or reading.strict):
        found = [name for name in left if same_split(reading.split, splits[name])]
        if not found and reading.strict:
            raise MnemoscopeError(
                f"split {reading.split!r} of {origin}, which holds {listed(entries)}",
                expected="a split in the name of one of its arrays",
                todo="name the array, key=..., --key NAME",
                field="split",
            )
        left = found or left
    elif any(splits.values()):
        whole = [name for name in left if splits[name] is None]
        left = _usual(whole) or [n for n in left if splits[n] == "train"] or left
    for names in (left, _usual(left)):
        if len(names) == 1:
            return names[0]
    for name in NAMES:
        same = [other for other in left if other.rpartition("/")[2] == name]
        if len(same) == 1:
            return same[0]
    raise MnemoscopeError(
        f"{origin}, which holds {listed(entries)}",
        expected=f"one array of examples, or one called {', '.join(NAMES)}",
        todo="name the array, key=..., --key NAME, or rename it",
        field="key",
        choices=entries,
    )


def _usual(names: list[str]) -> list[str]:
    """Selects names that, without the words of a split, are usual for examples."""
    return [
        name
        for name in names
        if (rest := [word for word in words(name) if word not in SPLITS])
        and (rest[-1] in USUAL or re.fullmatch(r"x\d*", rest[-1]))
    ]


def files_in(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """Returns the files that are wanted, in the order of their names.

    Subfolders, at any depth, are searched if the folder itself has none. Hidden files and links to
    folders are skipped.
    """

    def refuse(error: OSError) -> None:
        raise MnemoscopeError(
            f"{error.filename or folder}, a folder that cannot be listed ({error.strerror})",
            expected="a folder of examples",
            todo="check its permissions",
        ) from error

    found: list[Path] = []
    for place, inner, names in os.walk(folder, onerror=refuse):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        paths = (Path(place) / name for name in names if not name.startswith("."))
        found += [path for path in paths if wanted(path) and path.is_file()]
        if found and place == str(folder):
            break
    return sorted(found)


def of_split(
    paths: Sequence[Path], folder: Path, reading: Reading
) -> tuple[list[Path], str | None]:
    """Chooses the files of one split, without those of masks and labels; returns the split, too.

    The split is in the name of a subfolder (`train/cats/1.png`) or of the file
    (`data_batch_1.bin`, `train-00000.parquet`). Where there are several, the default is `train`.
    """
    tops = {path: _top(path, folder) for path in paths}
    never = {top for path, top in tops.items() if path.parent != folder and _is_never(top)}
    if never and never != set(tops.values()):
        log.warning(
            "%s: folders that hold no examples, by name, are left out: %s; name one as the source "
            "to read it",
            folder,
            listed(sorted(never)),
        )
        paths = [path for path in paths if tops[path] not in never]
    splits = {path: _split(tops[path]) for path in paths}
    names = sorted({split for split in splits.values() if split is not None})
    if reading.split is not None and (names or reading.strict):
        found = [path for path in paths if same_split(reading.split, splits[path])]
        if found:
            return found, splits[found[0]]
        if reading.strict:
            raise not_there("split", reading.split, str(folder), names)
    if "train" in names and len(names) > 1:
        log.warning(
            "%s: the split train is taken (of %s); split=..., --split takes another",
            folder,
            ", ".join(names),
        )
        return [path for path in paths if splits[path] == "train"], "train"
    return list(paths), names[0] if len(names) == 1 and None not in splits.values() else None


def _top(path: Path, folder: Path) -> str:
    """Returns the subfolder that a file is in, or the file's own name."""
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else path.stem


def _is_never(name: str) -> bool:
    return not NEVER.isdisjoint(words(name))


def _split(name: str) -> str | None:
    # CIFAR's name for its training split says none.
    return "train" if name.startswith("data_batch") else split_of(name)
