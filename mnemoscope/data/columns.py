"""Chooses the columns of a dataset or a table that hold the examples.

Pictures come before arrays, and a column that says by its type or its name that it holds labels,
masks or identifiers is never taken unasked. If several remain, the one with a usual name is taken;
where that does not decide, the caller must. A table of plain numbers has one column for each entry
of a state.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
            raise MnemoscopeError(
                f"column {reading.column!r} of {origin}, with columns {', '.join(self.names)}",
                expected="a column of pictures or of arrays: " + (", ".join(usable) or "none"),
                todo="choose one of these" if usable else "choose another dataset",
                field="column",
                choices=usable,
            )
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
                f"{origin} with columns {', '.join(self.names)}",
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
            there = [name for name in wrong if name in kinds]
            names = listed(numbers if there else kinds)
            raise MnemoscopeError(
                f"column {(there or wrong)[0]!r} of {origin}"
                + (", which holds no numbers" if there else ""),
                expected=f"columns of numbers: {names}" if there else f"one of {names}",
                todo="name some of these, with commas between them",
                field="column",
            )
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
