"""Options that say how data are read, and what is written down of it."""

import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.publishing import is_utf_8

if TYPE_CHECKING:
    from mnemoscope.data.reading import Examples

NAMES = ("key", "column", "split", "scale", "channels_last", "alpha")
"""The options; a run's record of its data has them where they were used."""

TYPES: dict[str, type | tuple[type, ...]] = {
    "source": str, "n": int, "offset": int, "size": int, "gray": bool,
    "key": str, "column": str, "split": str, "scale": (str, list), "channels_last": bool,
    "alpha": str,
}  # fmt: skip
"""What such a record holds."""

OPTIONAL = ("n", "size", *NAMES)


@Parameter(name="*")
@dataclass(frozen=True)
class DataOptions:
    """How a source is read; see `mn.load_data`."""

    key: Annotated[
        str | None,
        Parameter(
            help="Array to take of a file of several, its path with slashes if it is nested; "
            "default: the only one of examples, or one of a usual name."
        ),
    ] = None
    column: Annotated[
        str | None,
        Parameter(
            help="Column of a dataset, or columns A,B,... of a table; default: the one of pictures "
            "or arrays, else all columns of numbers."
        ),
    ] = None
    split: Annotated[
        str | None,
        Parameter(help="Part of the source, such as test; default: train where it has parts."),
    ] = None
    data_scale: Annotated[
        str | None,
        Parameter(
            help="divide (by the largest number of the format), keep, or LOW,HIGH, the data's "
            "numbers that become 0 and 1; default: only picture files, audio and bytes above 127 "
            "are divided."
        ),
    ] = None
    data_channels_last: Annotated[
        bool | None,
        Parameter(
            help="The last axis of the data holds the channels; default: only of 8-bit pictures."
        ),
    ] = None
    alpha: Annotated[
        Literal["white", "plane"] | None,
        Parameter(
            help="Whether the fourth plane of an array of 8-bit pictures is a transparency, to be "
            "laid on white; default: kept as a plane."
        ),
    ] = None

    def given(self) -> dict[str, Any]:
        """What was typed, by the names that `mn.load_data` has for it."""
        given = {
            name.removeprefix("data_"): value
            for name, value in asdict(self).items()
            if value is not None
        }
        if self.data_scale is not None:
            given["scale"] = _scale(self.data_scale)
        return given


NO_DATA_OPTIONS = DataOptions()

TYPED = {"scale": "data-scale", "channels_last": "data-channels-last"}
"""Options that a model has too, by the names that they have for data."""


def _scale(text: str) -> "str | list[float]":
    if text in ("divide", "keep"):
        return text
    try:
        low, high = map(float, text.split(","))
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError
    except ValueError:
        raise MnemoscopeError(
            f'--data-scale "{text}"',
            expected="divide, keep, or the two numbers that become 0 and 1, the lower one first",
            todo="write it as in --data-scale=0,4095",
        ) from None
    return [low, high]


def read(given: dict[str, Any]) -> "tuple[dict[str, Any], Examples]":
    """Loads data, and says how to load them in the same way again.

    Args:
        given: The arguments of `mn.load_data`.

    Returns:
        The arguments, with the rule and the column that were chosen; and the examples.
    """
    from mnemoscope.data.load import read_examples
    from mnemoscope.data.reading import Reading
    from mnemoscope.data.sources import find_source

    options = {name: value for name, value in given.items() if name in NAMES and value is not None}
    place = {name: value for name, value in given.items() if name not in NAMES}
    examples = read_examples(**place, reading=Reading(**options))
    # What is bundled is read in one way only.
    record = options if find_source(place["source"]).bundled else examples.record
    return {**place, **record}, examples


def is_record(known: object) -> bool:
    """Whether a run's record of its data holds arguments of `load_data`, each of its type."""
    return (
        isinstance(known, dict)
        and "source" in known
        and set(known) <= TYPES.keys()
        and all(
            (value is None and name in OPTIONAL)
            or (isinstance(value, TYPES[name]) and isinstance(value, bool) == (TYPES[name] is bool))
            for name, value in known.items()
        )
    )


def refuse_without_data(options: dict[str, Any]) -> None:
    """Refuses options about data where none are named.

    Raises:
        MnemoscopeError: one is given.
    """
    for name, value in options.items():
        if value not in (None, False) and not (name == "offset" and value == 0):
            raise MnemoscopeError(
                f"--{TYPED.get(name, name)} without --data",
                expected="both or neither",
                todo="leave it out, or pass --data too",
            )


def anchored(source: dict[str, Any]) -> dict[str, Any]:
    """How to load the data from any working folder: with an absolute path where it is a path."""
    from mnemoscope.data.load import is_path

    name = source["source"]
    if not is_path(name):
        return source
    path = os.path.abspath(Path(name).expanduser())
    # JSON holds no other names: such data are found again from the same folder only.
    return {**source, "source": path} if is_utf_8(path) else source
