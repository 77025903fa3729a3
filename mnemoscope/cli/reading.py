"""Options that say how data are read, and what is written down of it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mnemoscope.errors import MnemoscopeError

if TYPE_CHECKING:
    from mnemoscope.data.reading import Examples

NAMES = ("integers", "column", "alpha")
"""The options; a run's record of its data has them where they were used."""

TYPES: dict[str, type] = {
    "source": str, "n": int, "offset": int, "size": int, "gray": bool, **dict.fromkeys(NAMES, str)
}  # fmt: skip
"""What such a record holds."""

OPTIONAL = ("n", "size", *NAMES)


@Parameter(name="*")
@dataclass(frozen=True)
class DataOptions:
    """How the numbers of a source are read; see `mn.load_data`."""

    integers: Annotated[
        Literal["divide", "keep"] | None,
        Parameter(
            help="Whether integers are divided by 255 or keep their numbers; only picture files "
            "and bytes above 127 are divided if left out."
        ),
    ] = None
    column: Annotated[
        str | None,
        Parameter(
            help="Column of a dataset, or array in a file of several; the one of pictures, or "
            "else of arrays, if left out."
        ),
    ] = None
    alpha: Annotated[
        Literal["white", "plane"] | None,
        Parameter(
            help="Whether the fourth plane of an array of 8-bit pictures is a transparency, to be "
            "laid on white; kept as a plane if left out."
        ),
    ] = None

    def given(self) -> dict[str, Any]:
        """What was typed."""
        return {name: value for name, value in asdict(self).items() if value is not None}


NO_DATA_OPTIONS = DataOptions()


def read(given: dict[str, Any]) -> "tuple[dict[str, Any], Examples]":
    """Loads data, and says how to load them in the same way again.

    Args:
        given: The arguments of `mn.load_data`.

    Returns:
        The arguments, with the rule and the column that were chosen; and the examples.
    """
    from mnemoscope.data.load import BUNDLED, read_examples
    from mnemoscope.data.reading import Reading

    options = {name: value for name, value in given.items() if name in NAMES}
    place = {name: value for name, value in given.items() if name not in NAMES}
    examples = read_examples(**place, reading=Reading(**options))
    # What is bundled is read in one way only.
    record = options if place["source"] in BUNDLED else examples.record
    return {**place, **record}, examples


def is_record(known: object) -> bool:
    """Whether a run's record of its data holds arguments of `load_data`, each of its type."""
    return (
        isinstance(known, dict)
        and "source" in known
        and set(known) <= TYPES.keys()
        and all(
            (value is None and name in OPTIONAL)
            or (isinstance(value, TYPES[name]) and isinstance(value, bool) == (name == "gray"))
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
                f"--{name} without --data",
                expected="both or neither",
                todo="leave it out, or pass --data too",
            )
