"""The whole configuration of one run: everything that decides its numbers, and its key."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError, shortened
from mnemoscope.base.model import StrictModel
from mnemoscope.base.provenance import checksum
from mnemoscope.base.small_files import parse_json
from mnemoscope.data import load_data
from mnemoscope.data.reading import OPTIONS, Reading
from mnemoscope.nets import Spec, spec_from_json
from mnemoscope.nets.spec import Count, Whole
from mnemoscope.sweep.measure import Measure
from mnemoscope.training import TrainingOptions


class Data(StrictModel, frozen=True, extra="forbid"):
    """Which examples a run is trained on: the arguments of `mn.load_data`.

    Raises:
        MnemoscopeError: a field is misspelled, missing, of the wrong type or out of range.
    """

    source: str = Field(strict=True, description="what mn.load_data reads, as text")
    n: Count | None = Field(default=None, description="a whole number, 1 or more, or nothing")
    offset: Whole = Field(default=0, description="a whole number, 0 or more")
    size: Count | None = Field(default=None, description="a whole number, 1 or more, or nothing")
    gray: bool = Field(default=False, strict=True, description="true or false")
    key: str | None = Field(default=None, strict=True, description="a name, or nothing")
    column: str | None = Field(default=None, strict=True, description="a name, or nothing")
    split: str | None = Field(default=None, strict=True, description="a name, or nothing")
    scale: Literal["divide", "keep"] | tuple[float, float] | None = Field(
        default=None, description="'divide', 'keep', two numbers or nothing"
    )
    channels_last: bool | None = Field(
        default=None, strict=True, description="true, false or nothing"
    )
    alpha: Literal["white", "plane"] | None = Field(
        default=None, description="'white', 'plane' or nothing"
    )

    def record(self) -> dict[str, Any]:
        """How the examples were loaded, for the network's record."""
        told = self.model_dump(mode="json")
        return {name: told[name] for name in told if name not in OPTIONS or told[name] is not None}


FIELDS: dict[str, tuple[str, ...]] = {
    "spec": (
        "kind", "shape", "activation", "output_activation", "bias", "init", "width", "depth",
        "channels", "kernel_size", "downsample", "levels",
    ),
    "data": tuple(Data.model_fields),
    "training": tuple(one.name for one in fields(TrainingOptions) if one.name != "seed"),
    "measure": tuple(Measure.model_fields),
}  # fmt: skip
"""Everything that a design can set or vary, by section; seeds are counted at its top."""


@dataclass(frozen=True)
class Configuration:
    """One run.

    Attributes:
        spec: What the network is built from.
        data: Which examples it is trained on.
        data_checksum: Of these examples, so that another file under the same name is another run.
        training: How it is trained, its seed left out; the learning rate is always explicit.
        measure: What is measured of it.
        seed: Of its weights and of the order of its examples.
    """

    spec: Spec
    data: Data
    data_checksum: str
    training: TrainingOptions
    measure: Measure
    seed: int

    @property
    def options(self) -> TrainingOptions:
        """How it is trained, with its seed."""
        return replace(self.training, seed=self.seed)

    def told(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "spec": _dumped(self.spec),
            "data": _dumped(self.data) | {"checksum": self.data_checksum},
            "training": _dumped(self.training),
            "measure": _dumped(self.measure),
            "seed": self.seed,
        }

    def to_json(self) -> str:
        """All of it as one line; equal configurations give equal text."""
        return json_text(self.told())

    @classmethod
    def from_json(cls, text: str) -> "Configuration":
        """Reads what `to_json` wrote.

        Raises:
            MnemoscopeError: it does not fit.
        """
        try:
            told = parse_json(text)
            data = dict(told["data"])
            found, seed = data.pop("checksum"), told["seed"]
            if not isinstance(found, str) or not isinstance(seed, int) or isinstance(seed, bool):
                raise TypeError("its checksum is no text, or its seed no whole number")
            return cls(
                spec_from_json(dict(told["spec"])),
                Data(**data),
                found,
                TrainingOptions.of(told["training"]),
                Measure(**told["measure"]),
                seed,
            )
        except MnemoscopeError as error:
            raise MnemoscopeError(
                f"a configuration with {error.given}", expected=error.expected, todo=error.todo
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise MnemoscopeError(
                f"the configuration {shortened(repr(text))} ({type(error).__name__}: {error})",
                expected="what a sweep wrote into the column `configuration`",
                todo="remove that row's file and run the sweep again: its runs are done anew",
            ) from error

    def only_trained(self) -> "Configuration":
        """The same run with nothing measured."""
        return replace(self, measure=Measure(take=()))

    def key(self, code: str, *, pictured: bool = False) -> str:
        """What the run is known by: a hash of its configuration and of the code's version.

        Args:
            code: See `mnemoscope.sweep.code_version`.
            pictured: Whether a picture is to be in its row.

        Returns:
            32 hexadecimal digits of a SHA-256.
        """
        # The parts are shared by many runs, so each is written once.
        parts = (
            _text(self.spec), _text(self.data), self.data_checksum, _text(self.training),
            _text(self.measure), str(self.seed), code, *(("pictured",) if pictured else ()),
        )  # fmt: skip
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@lru_cache(maxsize=64)
def examples(data: Data) -> tuple[Float[Tensor, "n *shape"], str]:
    """The examples and their checksum.

    Raises:
        MnemoscopeError: as `mn.load_data`; or they do not fit into memory.
    """
    try:
        X = load_data(
            data.source, data.n, data.offset, size=data.size, gray=data.gray,
            reading=Reading(**{name: getattr(data, name) for name in OPTIONS}),
        )  # fmt: skip
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise too_many_examples(data) from error
    return X, checksum(X)


def too_many_examples(data: Data) -> MnemoscopeError:
    """What is told of examples that do not fit into memory."""
    asked = {"n": data.n, "size": data.size}
    told = ", ".join(f"{name}={value}" for name, value in asked.items() if value is not None)
    return MnemoscopeError(
        f"{told or 'all examples'} of {data.source}, which do not fit into memory",
        expected="examples that the machine that plans, and each worker, can hold",
        todo="ask for fewer (`n`), or smaller ones (`size`)",
    )


def held_out(data: Data, measure: Measure) -> Float[Tensor, "m *shape"] | None:
    """Examples of the same source that are not trained on; None if none are asked for.

    Raises:
        MnemoscopeError: there are not so many, or they would be trained on.
    """
    if not measure.held_out:
        return None
    assert data.n is not None
    begin, end = data.offset, data.offset + data.n
    at = end if measure.held_out_offset is None else measure.held_out_offset
    if at < end and at + measure.held_out > begin:
        raise MnemoscopeError(
            f"held-out examples {at} to {at + measure.held_out - 1} beside training examples "
            f"{begin} to {end - 1}",
            expected="no example in both",
            todo=f"set `measure.held_out_offset` to {end} or more",
        )
    try:
        return examples(data.model_copy(update={"n": measure.held_out, "offset": at}))[0]
    except MnemoscopeError as error:
        raise MnemoscopeError(
            f"measure.held_out={measure.held_out} from {at} on: {error.given}",
            expected=error.expected,
            todo="ask for fewer, or set `measure.held_out_offset`",
        ) from error


@lru_cache(maxsize=65_536)
def _text(part: StrictModel | TrainingOptions) -> str:
    return json_text(_dumped(part))


def _dumped(part: StrictModel | TrainingOptions) -> dict[str, Any]:
    return asdict(part) if isinstance(part, TrainingOptions) else part.model_dump(mode="json")


def json_text(value: Mapping[str, Any]) -> str:
    """Plain values as one line; equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
