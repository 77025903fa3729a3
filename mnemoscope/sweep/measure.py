"""What a sweep measures of every network, and how much of it."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from mnemoscope.base.model import StrictModel
from mnemoscope.nets.spec import Count, Whole


def _listed(value: object) -> object:
    """A name alone is a list of one."""
    return (value,) if isinstance(value, str) else value


class Measure(StrictModel, frozen=True, extra="forbid"):
    """What is measured of every network.

    Args:
        take: Names in `mnemoscope.sweep.measurements.MEASUREMENTS`, or `package.module:function`.
        starts: Starts for `outcomes`.
        start_kind: Their distribution; see `mnemoscope.dynamics.starts`.
        orbit_steps: Steps after which an orbit that still moves counts as not settled.
        trials: Corrupted copies of each example for `recall`.
        noise: Standard deviation of the Gaussian noise that corrupts them.
        held_out: Examples that are not trained on, for `generalization`; an `audit` is given them
            too.
        held_out_offset: Where they begin in the source; right after the training examples if left
            out. One that all runs share makes runs with different `n` comparable.
        audit: Options of `mn.audit`, for `audit`.

    Raises:
        MnemoscopeError: a field is misspelled, of the wrong type or out of range.
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
        """Of all but the options of the audit, which are a dictionary."""
        return hash((self.take, self.starts, self.start_kind, self.held_out))
