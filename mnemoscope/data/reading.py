"""How the numbers of a source are read, and what was read."""

from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from mnemoscope.errors import MnemoscopeError

Integers = Literal["divide", "keep"]
Alpha = Literal["white", "plane"]

RULES = ("divide", "keep")
ALPHAS = ("white", "plane")


@dataclass(frozen=True)
class Reading:
    """What the caller says about a source; None leaves it to the source.

    Attributes:
        integers: `divide`: integers are pictures of 8 bits, divided by 255 (16-bit picture files by
            65535). `keep`: integers keep their numbers. Default: picture files and uint8 arrays
            with a value above 127 are divided, all others are kept.
        column: The column of a dataset, or the name of an array in a file of several.
        alpha: What the fourth plane of uint8 pictures `(n, height, width, 4)` is: `white`: their
            transparency, and they are laid on white; `plane`: a plane like the others. Default: a
            plane, unless it is 255 everywhere, which says nothing and is left out.
        strict: Whether a column or an alpha that the source does not have is refused; otherwise it
            is left to the source.
    """

    integers: Integers | None = None
    column: str | None = None
    alpha: Alpha | None = None
    strict: bool = True

    def __post_init__(self) -> None:
        """Refuses what is no such choice."""
        for name, known in (("integers", RULES), ("alpha", ALPHAS)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise MnemoscopeError(
                    f"{name}={value!r}",
                    expected=f"{' or '.join(known)}, or nothing",
                    todo="choose one of these",
                )
        if self.column is not None and (not isinstance(self.column, str) or not self.column):
            raise MnemoscopeError(
                f"column={self.column!r}", expected="the name of a column", todo="name one"
            )


AS_IT_IS = Reading()
"""Everything is left to the source."""


@dataclass(frozen=True)
class Examples:
    """What was read.

    Attributes:
        X: `(n, *shape)`, float32.
        integers: The rule by which integers were read; None where there were none.
        column: The column or array that was taken, where the source has named ones.
        alpha: What a fourth plane was taken for; None where that was not asked.
    """

    X: Float[Tensor, " n *shape"]
    integers: Integers | None = None
    column: str | None = None
    alpha: Alpha | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What `load_data` must be passed to read the source, or another one, in the same way."""
        told = {"integers": self.integers, "column": self.column, "alpha": self.alpha}
        return {name: value for name, value in told.items() if value is not None}
