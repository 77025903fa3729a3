"""The configuration of one run: everything that decides its numbers, and its key."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Annotated, Any, Literal

from jaxtyping import Float
from pydantic import BeforeValidator, Field
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError, shortened
from mnemoscope.base.model import StrictModel
from mnemoscope.base.provenance import checksum
from mnemoscope.base.small_files import parse_json
from mnemoscope.data import load_data
from mnemoscope.data.reading import OPTIONS, Reading
from mnemoscope.nets import Spec, spec_from_json
from mnemoscope.nets.spec import Count, Whole
from mnemoscope.nets.spec_reader import KINDS
from mnemoscope.training import TrainingOptions


class Data(StrictModel, frozen=True, extra="forbid"):
    """The examples that a run is trained on: the arguments of `mn.load_data`."""

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
        """Returns how the examples were loaded, for the network's record."""
        values = self.model_dump(mode="json")
        return {name: one for name, one in values.items() if name not in OPTIONS or one is not None}


def _listed(value: object) -> object:
    """Makes a list of a single name."""
    return (value,) if isinstance(value, str) else value


class Measure(StrictModel, frozen=True, extra="forbid"):
    """The measurements of every network, and their extent.

    Args:
        take: Names in `mnemoscope.sweep.measurements`, or `package.module:function`.
        starts: Number of starts for `outcomes`.
        start_kind: Their distribution; see `mnemoscope.dynamics.starts`.
        orbit_steps: Steps after which an orbit that still moves counts as not settled.
        trials: Corrupted copies of each example for `recall`.
        noise: Standard deviation of the Gaussian noise that corrupts them.
        held_out: Number of examples that are not trained on, for `generalization` and `audit`.
        held_out_offset: Their place in the source; default: right after the training examples. An
            offset that all runs share makes runs with different `n` comparable.
        audit: Options of `mn.audit`, for `audit`.
    """

    take: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        default=("stored",), description="names of measurements, as a list of texts"
    )
    starts: Count = Field(default=100, description="a whole number, 1 or more")
    start_kind: str = Field(
        default="uniform", strict=True, description="the name of a distribution of starts"
    )
    orbit_steps: Count = Field(default=2_000, description="a whole number, 1 or more")
    trials: Count = Field(default=5, description="a whole number, 1 or more")
    noise: float = Field(default=0.1, strict=True, gt=0, description="a number above 0")
    held_out: Whole = Field(default=0, description="a whole number, 0 or more")
    held_out_offset: Whole | None = Field(
        default=None, description="a whole number, 0 or more, or nothing"
    )
    audit: dict[str, Any] = Field(default_factory=dict, description="options of mn.audit by name")

    def __hash__(self) -> int:
        """Computes a hash without the options of the audit, which are a dictionary."""
        return hash((self.take, self.starts, self.start_kind, self.held_out))


FIELDS: dict[str, tuple[str, ...]] = {
    "spec": tuple(dict.fromkeys(field for kind in KINDS.values() for field in kind.model_fields)),
    "data": tuple(Data.model_fields),
    "training": tuple(one.name for one in fields(TrainingOptions) if one.name != "seed"),
    "measure": tuple(Measure.model_fields),
}
"""All fields that a design can set or vary, by section."""


@dataclass(frozen=True)
class Configuration:
    """The configuration of one run.

    Attributes:
        spec: The spec of its network.
        data: The examples that it is trained on.
        data_checksum: Their checksum, so that another file of the same name makes another run.
        training: How it is trained, without its seed; the learning rate is always filled in.
        measure: What is measured.
        seed: Seed of its weights and of the order of its examples.
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

    def to_dict(self) -> dict[str, Any]:
        """Returns all of it as plain values."""
        return {
            "spec": self.spec.model_dump(mode="json"),
            "data": self.data.model_dump(mode="json") | {"checksum": self.data_checksum},
            "training": _dumped(self.training),
            "measure": self.measure.model_dump(mode="json"),
            "seed": self.seed,
        }

    def to_json(self) -> str:
        """Returns all of it as one line; equal configurations give equal text."""
        return json_text(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> "Configuration":
        """Reads what `to_json` wrote."""
        try:
            values = parse_json(text)
            data = dict(values["data"])
            found, seed = data.pop("checksum"), values["seed"]
            if not isinstance(found, str) or not isinstance(seed, int) or isinstance(seed, bool):
                raise TypeError("its checksum is no text, or its seed no whole number")
            return cls(
                spec_from_json(dict(values["spec"])),
                Data(**data),
                found,
                TrainingOptions.of(values["training"]),
                Measure(**values["measure"]),
                seed,
            )
        except MnemoscopeError as error:
            raise error.replaced(given=f"a configuration with {error.given}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise MnemoscopeError(
                f"the configuration {shortened(repr(text))} ({type(error).__name__}: {error})",
                expected="what a sweep wrote into the column `configuration`",
                todo="remove that row's file and run the sweep again: its runs are done anew",
            ) from error

    def key(self, code: str, *, pictured: bool = False) -> str:
        """Computes the key of the run: a hash of its configuration and of the code's version."""
        # The parts are shared by many runs, so each is written once.
        data, seed = (_text(self.data), self.data_checksum), str(self.seed)
        parts = [_text(self.spec), *data, _text(self.training), _text(self.measure), seed, code]
        parts += ["pictured"] if pictured else []
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Run:
    """A planned run.

    Attributes:
        configuration: All that decides its numbers.
        factors: The values of the varied fields, by their path; the seed is not among them.
        key: The hash that names its row.
        first: Whether it has the first seed of its setting.
    """

    configuration: Configuration
    factors: Mapping[str, Any]
    key: str
    first: bool


@lru_cache(maxsize=64)
def examples(data: Data) -> tuple[Float[Tensor, "n *shape"], str]:
    """Loads the examples; returns them and their checksum."""
    try:
        reading = Reading(**{name: getattr(data, name) for name in OPTIONS})
        X = load_data(
            data.source, data.n, data.offset, size=data.size, gray=data.gray, reading=reading
        )
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise too_many_examples(data) from error
    return X, checksum(X)


def too_many_examples(data: Data) -> MnemoscopeError:
    """Builds the error of examples that do not fit into memory."""
    asked = {"n": data.n, "size": data.size}
    given = ", ".join(f"{name}={value}" for name, value in asked.items() if value is not None)
    return MnemoscopeError(
        f"{given or 'all examples'} of {data.source}, which do not fit into memory",
        expected="examples that the machine that plans, and each worker, can hold",
        todo="ask for fewer (`n`), or smaller ones (`size`)",
        field="n",
    )


def held_out(data: Data, measure: Measure) -> Float[Tensor, "m *shape"] | None:
    """Loads examples of the same source that are not trained on; None if none are asked for."""
    if not measure.held_out:
        return None
    assert data.n is not None
    begin, end = data.offset, data.offset + data.n
    at = end if measure.held_out_offset is None else measure.held_out_offset
    if at < end and at + measure.held_out > begin:
        raise MnemoscopeError(
            f"held-out examples {at} to {at + measure.held_out - 1} with training examples {begin} "
            f"to {end - 1}",
            expected="no example in both",
            todo=f"set `measure.held_out_offset` to {end} or more",
            field="held_out_offset",
        )
    try:
        return examples(data.model_copy(update={"n": measure.held_out, "offset": at}))[0]
    except MnemoscopeError as error:
        raise error.replaced(
            given=f"held_out={measure.held_out} from {at} on: {error.given}",
            todo="ask for fewer, or set `measure.held_out_offset`",
            field="held_out",
        ) from error


@lru_cache(maxsize=65_536)
def _text(part: StrictModel | TrainingOptions) -> str:
    return json_text(_dumped(part))


def _dumped(part: StrictModel | TrainingOptions) -> dict[str, Any]:
    return asdict(part) if isinstance(part, TrainingOptions) else part.model_dump(mode="json")


def json_text(value: Mapping[str, Any]) -> str:
    """Writes plain values as one line; equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
