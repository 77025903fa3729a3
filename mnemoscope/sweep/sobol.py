"""Points that fill a box evenly: a scrambled Sobol sequence, mapped onto the fields' ranges.

Sources: I. M. Sobol, USSR Comput. Math. Math. Phys. 7 (1967); the scrambling is that of
J. Matoušek, J. Complexity 14 (1998), as in `scipy.stats.qmc.Sobol`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator
from scipy.stats import qmc

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.model import StrictModel

MAX_POINTS = 2**20
"""Maximum number of points of one sample."""

_CHUNK = 4096

_Bound = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Range(StrictModel, frozen=True, extra="forbid"):
    """Numbers between two bounds.

    With `whole`, whole numbers only, both bounds among them. On the linear scale each is equally
    likely; on the log scale k has the share of log((k + ½) / (k − ½)).
    """

    low: _Bound = Field(description="a finite number")
    high: _Bound = Field(description="a finite number")
    scale: Literal["linear", "log"] = Field(default="linear", description="linear or log")
    whole: bool = Field(default=False, strict=True, description="true or false")

    @model_validator(mode="after")
    def _fits(self) -> "Range":
        if self.low >= self.high:
            raise MnemoscopeError(
                f"low={self.low:g} with high={self.high:g}",
                expected="a `low` below its `high`",
                todo="swap them, or set the field to one value",
            )
        if self.scale == "log" and self.low <= 0:
            raise MnemoscopeError(
                f"low={self.low:g} with scale='log'",
                expected="a `low` above 0",
                todo="raise `low`, or use the linear scale",
            )
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise MnemoscopeError(
                f"low={self.low!r} and high={self.high!r} with whole=true",
                expected="whole numbers",
                todo="round them, or leave `whole` out",
            )
        return self

    def values(self, u: Float[np.ndarray, " n"]) -> list[Any]:
        """Returns the numbers at the shares `u` of the range, in [0, 1)."""
        margin = 0.5 if self.whole else 0.0
        low, high = self.low - margin, self.high + margin
        if self.scale == "log":
            low, high = np.log(low), np.log(high)
        # A weighted mean does not overflow where `high - low` would.
        x = (1 - u) * low + u * high
        if self.scale == "log":
            x = np.exp(x)
        if self.whole:
            x = np.floor(x + 0.5)
        x = np.clip(x, self.low, self.high)
        return [int(value) for value in x] if self.whole else x.tolist()


class Choices(StrictModel, frozen=True, extra="forbid"):
    """A list of values, each equally likely."""

    choices: tuple[Any, ...] = Field(min_length=1, description="a list of at least one value")

    def values(self, u: Float[np.ndarray, " n"]) -> list[Any]:
        """Returns the values at the shares `u` of the list, in [0, 1)."""
        return [self.choices[i] for i in (u * len(self.choices)).astype(np.int64)]


@dataclass(frozen=True)
class SobolPoints:
    """The first points of a scrambled Sobol sequence, a value for each range.

    More points begin with the same ones. They are computed a few thousand at a time.

    Attributes:
        ranges: The ranges, at least one.
        count: The number of points; a power of two fills the box best.
        seed: Seed of the scrambling.
    """

    ranges: tuple[Range | Choices, ...]
    count: int
    seed: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        generator = np.random.default_rng(self.seed)
        # SciPy before 1.15 knows no `rng`.
        engine = qmc.Sobol(len(self.ranges), seed=generator)  # pyright: ignore[reportCallIssue]
        for begin in range(0, self.count, _CHUNK):
            u = engine.random(_CHUNK)[: self.count - begin]
            columns = [range_.values(u[:, k]) for k, range_ in enumerate(self.ranges)]
            yield from zip(*columns, strict=True)
