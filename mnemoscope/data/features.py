"""Which columns of a table are the entries of a state."""

import logging
from collections.abc import Mapping, Sequence

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.keys import listed
from mnemoscope.data.reading import Reading

LABELS = {
    "label", "labels", "target", "targets", "class", "classes", "index", "id", "row", "unnamed: 0",
    "", "__index_level_0__",
}  # fmt: skip
"""Names, in lower case, that a column of a feature never has."""

log = logging.getLogger("mnemoscope")


def asked_columns(column: str, names: Sequence[str]) -> list[str]:
    """Returns the columns that a text names: one of that very name, or several between commas."""
    return [column] if column in names else [name.strip() for name in column.split(",")]


def feature_columns(kinds: Mapping[str, bool], reading: Reading, told: str) -> list[str]:
    """Returns the columns whose numbers are the entries of a state, in the table's order.

    Args:
        kinds: Of each column whether it holds numbers.
        reading: What the caller says; its column goes before all else.
        told: The table, as messages name it.

    Raises:
        MnemoscopeError: a column that was asked for is not there or holds no numbers, or there is
            none of numbers.
    """
    numbers = [name for name, real in kinds.items() if real]
    if reading.column is not None:
        asked = asked_columns(reading.column, list(kinds))
        wrong = [name for name in asked if name not in numbers]
        if not wrong:
            return asked
        if reading.strict:
            there = [name for name in wrong if name in kinds]
            names = listed(dict.fromkeys(numbers if there else kinds))
            raise MnemoscopeError(
                f"column {(there or wrong)[0]!r} of {told}"
                + (", which holds no numbers" if there else ""),
                expected=f"columns of numbers: {names}" if there else f"one of {names}",
                todo="name some of these, with commas between them",
            )
    left = [name for name in numbers if name.strip().lower() not in LABELS]
    others = [name for name in kinds if name not in left]
    if not left:
        raise MnemoscopeError(
            f"{told}, with columns {listed(kinds)}",
            expected="columns of numbers, pictures or arrays that are no labels by name",
            todo=f'name them: column="{numbers[0]}", --column {numbers[0]}'
            if numbers
            else "turn classes into numbers first",
        )
    if others:
        log.warning(
            "%s: %d column%s of numbers %s taken, not %s; column=..., --column A,B takes others",
            told, len(left), "" if len(left) == 1 else "s", "is" if len(left) == 1 else "are",
            listed(dict.fromkeys(others)),
        )  # fmt: skip
    return left
