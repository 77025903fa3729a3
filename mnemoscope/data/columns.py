"""Which column of a dataset holds the examples.

Pictures come before arrays, and a column that says by its type or its name that it holds labels,
masks or identifiers is never taken unasked. Of several that are left the one with a usual name is
taken; where that does not decide, the caller must.
"""

import logging
import re
from dataclasses import dataclass

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.reading import Reading

USUAL = {
    "image", "images", "img", "imgs", "picture", "pictures", "photo", "pixels", "pixel_values",
    "x", "input", "inputs", "input_values", "data", "feature", "features", "values", "signal",
    "series",
}  # fmt: skip
"""Names, in lower case, that examples usually have."""

NEVER = {
    "label", "labels", "target", "targets", "y", "class", "classes", "category", "categories",
    "mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "id", "ids",
    "index", "idx", "bbox", "bboxes", "box", "boxes", "objects", "onehot", "attention", "weight",
    "weights", "answer", "answers",
}  # fmt: skip
"""Words, in lower case, of which none is in the name of a column of examples."""

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

    def chosen(self, reading: Reading, told: str, *, quiet: bool = False) -> str:
        """Returns the column to take, and names it in the log.

        Args:
            reading: What the caller says; its column goes before all others.
            told: The dataset, as messages name it.
            quiet: Whether the log has it already.

        Raises:
            MnemoscopeError: the column that was asked for is not there or holds neither pictures
                nor arrays; or none or several could be meant.
        """
        usable = (*self.pictures, *self.arrays)
        if reading.column in usable:
            log.info("%s: column %s", told, reading.column)
            return str(reading.column)
        if reading.column is not None and reading.strict:
            raise MnemoscopeError(
                f"column {reading.column!r} of {told}, with columns {', '.join(self.names)}",
                expected="a column of pictures or of arrays: " + (", ".join(usable) or "none"),
                todo="choose one of these" if usable else "choose another dataset",
            )
        name = self._meant(told, usable)
        others = [other for other in self.names if other != name]
        if others and not quiet:
            log.warning(
                "%s: column %s is taken (not %s); column=..., --column takes another",
                told,
                name,
                ", ".join(others),
            )
        return name

    def _meant(self, told: str, usable: tuple[str, ...]) -> str:
        if not usable:
            raise MnemoscopeError(
                f"{told} with columns {', '.join(self.names)}",
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
                raise _ambiguous(told, left)
        raise _ambiguous(told, list(usable))

    def _is_label(self, name: str) -> bool:
        return name in self.classes or not NEVER.isdisjoint(words(name))


def words(name: str) -> list[str]:
    """Returns the words of a name such as `pixel_mask` or `targetImage`, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def _ambiguous(told: str, names: list[str]) -> MnemoscopeError:
    return MnemoscopeError(
        f"{told}, of which the column{'s' if len(names) > 1 else ''} {', '.join(names)} could "
        "hold the examples",
        expected="one column",
        todo=f'name it: column="{names[0]}", --column {names[0]}',
    )
