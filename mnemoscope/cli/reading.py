"""The data of a command: how they are read, what a run records of them, and held-out data."""

import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.publishing import is_utf_8
from mnemoscope.cli.options import flag, misfits, parsed
from mnemoscope.cli.run_folder import RunFolder
from mnemoscope.cli.target import Target

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.data.reading import Examples
    from mnemoscope.nets import Network

SELECTION = ("source", "n", "offset", "size", "gray")
"""What a record of data says of the examples; the rest of it says how they were read."""


@Parameter(name="*")
@dataclass(frozen=True)
class DataOptions:
    """Which examples of a source are taken, and how they are read; see `mn.load_data`.

    Attributes:
        n: Number of examples; default: all (of photos: 20).
        offset: Number of examples to skip before them.
        size: Height and width to bring pictures to; default: their own (photos: 32).
        gray: Turn colours into grey.
        key: Array to take of a file of several, its path with slashes if it is nested; default: the
            only one of examples, or one of a usual name.
        column: Column of a dataset, or columns A,B,... of a table; default: the one of pictures or
            arrays, else all columns of numbers.
        split: Part of the source, such as test; default: train where it has parts.
        data_scale: divide (by the largest number of the format), keep, or LOW,HIGH, the data's
            numbers that become 0 and 1; default: only picture files, audio and bytes above 127 are
            divided.
        data_channels_last: The last axis of the data holds the channels; default: only of 8-bit
            pictures.
        alpha: Whether the fourth plane of an array of 8-bit pictures is a transparency, to be laid
            on white; default: kept as a plane.
    """

    n: Annotated[int | None, Parameter(name=["--n", "-n"])] = None
    offset: int = 0
    size: int | None = None
    gray: bool = False
    key: str | None = None
    column: str | None = None
    split: str | None = None
    data_scale: str | None = None
    data_channels_last: Annotated[bool | None, Parameter(negative="--no-data-channels-last")] = None
    alpha: Literal["white", "plane"] | None = None

    def record(self, source: str) -> dict[str, Any]:
        """Returns the arguments of `mn.load_data` for a source."""
        record: dict[str, Any] = {"source": source}
        for name, value in asdict(self).items():
            if name in SELECTION or value is not None:
                record[name.removeprefix("data_")] = value
        if self.data_scale is not None:
            expected = "divide, keep, or the two numbers that become 0 and 1, the lower one first"
            record["scale"] = parsed(
                "--data-scale", self.data_scale, _scale, expected, "--data-scale=0,4095"
            )
        return record


DATA_OPTIONS = DataOptions()


def _scale(text: str) -> "str | list[float]":
    if text in ("divide", "keep"):
        return text
    low, high = map(float, text.split(","))
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError
    return [low, high]


def read(given: dict[str, Any]) -> "tuple[dict[str, Any], Examples]":
    """Loads data, and records how to load them in the same way again."""
    from mnemoscope.data.load import read_examples
    from mnemoscope.data.reading import Reading
    from mnemoscope.data.sources import find_source

    place = {name: value for name, value in given.items() if name in SELECTION}
    options = {
        name: value for name, value in given.items() if name not in SELECTION and value is not None
    }
    examples = read_examples(**place, reading=Reading(**options))
    # Bundled data are read in one way only.
    record = options if find_source(place["source"]).bundled else examples.record
    return {**place, **record}, examples


def anchored(source: dict[str, Any]) -> dict[str, Any]:
    """Returns how to load data from any working folder: with an absolute path if it is a path."""
    from mnemoscope.data.load import is_path

    name = source["source"]
    if not is_path(name):
        return source
    path = os.path.abspath(Path(name).expanduser())
    # JSON holds no other names: such data are found again from the same folder only.
    return {**source, "source": path} if is_utf_8(path) else source


def refuse_without_data(options: DataOptions, **more: object) -> None:
    """Refuses options of data if no data are named."""
    defaults = {field.name: field.default for field in fields(options)}
    for name, value in {**asdict(options), **more}.items():
        if value != defaults.get(name):
            raise MnemoscopeError(
                f"{flag(name)} without --data",
                expected="both or neither",
                todo="leave it out, or pass --data too",
            )


def data_for(
    found: Target, named: str, data: str | None, options: DataOptions
) -> "tuple[dict[str, Any], Examples]":
    """Returns the training examples that were named, or else those of the target's own training."""
    from mnemoscope.data.pictures import is_picture

    if data is None:
        refuse_without_data(options)
        return _known_data(found.network, found.run, named)
    given, shape = options.record(data), found.model.shape
    if found.network is None and shape is not None and is_picture(shape):
        square = shape[1] if shape[1] == shape[2] else None
        given["size"] = given["size"] or (None if _is_array(data) else square)
        given["gray"] = given["gray"] or shape[0] == 1
    source, examples = read(given)
    return anchored(source), examples


def _known_data(
    network: "Network | None", run: RunFolder | None, target: str
) -> "tuple[dict[str, Any], Examples]":
    """Returns what a network was trained on, by its run's record or its own."""
    from mnemoscope.base.provenance import checksum
    from mnemoscope.maps.layout import laid_out

    record = None if network is None else network.training_record
    known: Any = run.settings.get("data") if run is not None else None
    known = known or (None if record is None else record.source)
    if known is None:
        raise MnemoscopeError(
            f"{target}, which does not say what it was trained on",
            expected="its training examples",
            todo="pass --data",
        )
    if not _is_record(known):
        raise MnemoscopeError(
            f"{target}, which says of its training examples {known}",
            expected="arguments of load_data, as mnemoscope train writes them",
            todo="pass --data",
        )
    source, examples = read(known)
    states = None if network is None else laid_out(examples.X, network.spec.shape).states
    X = examples.X if states is None else states
    if (
        record is not None
        and record.source == known
        and (len(X) != record.examples or checksum(X) != record.data_checksum)
    ):
        raise MnemoscopeError(
            f"{known['source']}, whose examples have changed since {target} was trained on them",
            expected="the same examples",
            todo="train again, or pass --data to audit with the present ones",
        )
    return source, examples


def _is_record(known: object) -> bool:
    """Decides whether a run's record of its data holds arguments of `load_data`."""
    if not isinstance(known, dict) or "source" not in known:
        return False
    types = {field.name.removeprefix("data_"): field.type for field in fields(DataOptions)}
    return not misfits({**types, "source": str, "scale": str | list[float] | None}, known)


def _is_array(source: str) -> bool:
    """Decides whether a source is a file of an array, which may hold no pictures at all."""
    from mnemoscope.data.pictures import is_picture_file

    return Path(source).is_file() and not is_picture_file(Path(source))


def read_held_out(source: str, shape: tuple[int, ...], examples: "Examples") -> "Tensor":
    """Reads data of the network's shape that are not among its examples, by the same rule.

    Pictures are brought to a square network's size, colours to a grey one's grey and grey to a
    colour one's three channels.
    """
    import torch

    from mnemoscope.data.load import read_examples
    from mnemoscope.data.pictures import is_picture, shaped
    from mnemoscope.data.reading import Reading
    from mnemoscope.maps.layout import laid_out

    pictures = is_picture(shape)
    size = shape[1] if pictures and shape[1] == shape[2] else None
    gray = pictures and shape[0] == 1
    reading = Reading(**examples.record, strict=False)
    try:
        if pictures and not _is_array(source):
            fresh = read_examples(source, size=size, gray=gray, reading=reading).X
        else:
            fresh = read_examples(source, reading=reading).X
            if pictures and is_picture(tuple(fresh.shape[1:])):
                fresh = shaped(fresh, size, gray, source)
        if is_picture(tuple(fresh.shape[1:])) and fresh.shape[1] == 1 and pictures:
            fresh = fresh.expand(-1, shape[0], -1, -1)
    except MnemoscopeError as error:
        raise error.replaced(given=f"--held-out {error.given}") from error
    if (states := laid_out(fresh, shape).states) is not None:
        fresh = states
    if tuple(fresh.shape[1:]) != shape:
        raise MnemoscopeError(
            f"--held-out {source}, of shape {tuple(fresh.shape[1:])}",
            expected=f"the network's {shape}, or pictures for a square network of pictures",
            todo="bring them to that shape",
        )
    known = {example.numpy().tobytes() for example in examples.X}
    new = torch.tensor([example.numpy().tobytes() not in known for example in fresh])
    if not new.any():
        raise MnemoscopeError(
            f"--held-out {source}, all of which are training examples",
            expected="data that were not trained on",
            todo="choose other data",
        )
    return fresh[new].contiguous()
