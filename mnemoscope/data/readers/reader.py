"""What a reader is: it recognizes files of one format and reads the examples in them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mnemoscope.data.reading import Reading, Rule, Selection
from mnemoscope.data.values import check_real, integer_rule


@dataclass(frozen=True)
class Found:
    """The examples that were asked for, as a file holds them.

    Attributes:
        array: `(n, *shape)`, in the file's numbers.
        rule: The rule that all of its integers choose, whatever part was asked for.
        key: The array's name, where the file holds several.
        column: The columns that were taken, where the file has columns.
        split: The part that was taken, where the file has parts.
        pictures: Whether the format says that they are pictures `(n, height, width)` or `(n,
            height, width, channels)`; otherwise that is for the numbers to say.
        full: The numbers of the format that become 0 and 1 where it is divided (default: 0, 255).
        scaled: Whether the numbers are final: pictures that were decoded to [0, 1].
    """

    array: Tensor | np.ndarray
    rule: Rule | None = None
    key: str | None = None
    column: str | None = None
    split: str | None = None
    pictures: bool = False
    full: tuple[float, float] | None = None
    scaled: bool = False


@dataclass(frozen=True)
class Reader:
    """A format.

    Attributes:
        name: What a message calls a file of this format.
        suffixes: Endings of its files, in lower case.
        read: Reads the examples that are asked for; raises errors of any kind for a damaged file.
        begins: Whether a file's first bytes (up to 512) are those of this format; None: the format
            has no mark and is recognized by its suffix alone.
        uses: The options among key, column, split and alpha that it has a use for.
        parts: Whether each file of a folder is one part of the examples.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, Reading, Selection], Found]
    begins: Callable[[bytes], bool] | None
    uses: tuple[str, ...] = ()
    parts: bool = False


def taken(array: Tensor | np.ndarray, selection: Selection, origin: str, **found: Any) -> Found:
    """Returns the rows of an array that are asked for, with the rule that all of its rows choose.

    Args:
        array: A tensor, an array, or anything with `shape`, `dtype` and rows to slice.
        selection: Which rows.
        origin: The file, as messages name it.
        **found: Other attributes of `Found`; `rule` replaces the rule that the array chooses.

    Raises:
        MnemoscopeError: it holds no real numbers, no examples, or fewer than are asked for.
    """
    check_real(array, origin)
    rows = selection.rows(array.shape[0] if len(array.shape) else 0, origin)
    return Found(array[rows], **{"rule": integer_rule(array), **found})
