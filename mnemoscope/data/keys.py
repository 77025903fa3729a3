"""Chooses the array that holds the examples, in a file with several arrays.

An array is a candidate if it holds real numbers and has an axis of examples and one more. Names
that say that they hold labels, masks or identifiers are never taken unasked. Parts of a name that
name a split (`x_train`, `test_images`, `train/x`) choose the split; a usual name (`X`, `images`)
comes before others. Where this does not decide, the caller must.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.columns import NEVER, USUAL, listed, words
from mnemoscope.data.reading import Reading

NAMES = ("X", "x", "images", "data")
"""Usual names, in the order in which they are preferred."""

SPLITS = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("test", "testing", "te"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
}
"""Words that name a split, and the split's usual name."""

log = logging.getLogger("mnemoscope")


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
            raise MnemoscopeError(
                f"key {reading.key!r} of {origin}, which holds {listed(entries)}",
                expected="the name of one of its arrays",
                todo="choose one of these",
                field="key",
                choices=entries,
            )
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
