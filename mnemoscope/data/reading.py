"""How a source is read, which of its examples, and what was read."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.check import invalid, one_of
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import plural

Rule = Literal["divide", "keep"]
Scale = Rule | tuple[float, float]
Alpha = Literal["white", "plane"]


OPTIONS = ("key", "column", "split", "scale", "channels_last", "alpha")
"""What is recorded of a reading."""


@dataclass(frozen=True)
class Selection:
    """`n` examples after the first `offset`.

    Attributes:
        n: Number of examples; `None` for all that remain.
        offset: Number of examples to skip before them.
        size: Height and width to which pictures of several sizes are brought as they are decoded.
        gray: Whether pictures are to be turned grey.
    """

    n: int | None
    offset: int = 0
    size: int | None = None
    gray: bool = False

    @property
    def end(self) -> int | None:
        """The index after the last one, `None` for the source's end."""
        return None if self.n is None else self.offset + self.n

    def rows(self, available: int, source: str) -> slice:
        """Returns the place of these examples among the available ones."""
        if available == 0:
            raise MnemoscopeError(
                f"{source}, which has no examples",
                expected="at least one example",
                todo="choose another source",
            )
        end = available if self.end is None else self.end
        if self.offset >= available or end > available:
            raise MnemoscopeError(
                f"n={self.n}, offset={self.offset} of {source}, which has {available} examples",
                expected=f"offset + n of at most {available}",
                todo="ask for fewer",
                field="offset" if self.n is None else "n",
            )
        return slice(self.offset, end)


@dataclass(frozen=True)
class Reading:
    """How the caller wants a source to be read; where a field is None, the source decides.

    Attributes:
        key: Name of the array in a file of several arrays; of a nested one its path with slashes.
        column: Column of a table or a dataset; of a table several, separated by commas.
        split: Part of the source, such as `train` or `test`.
        scale: `divide`: integers are divided by the largest number of their format (255; 65535 for
            16-bit picture files; audio to [-1, 1]). `keep`: numbers stay as they are. `(low,
            high)`: the source's numbers that become 0 and 1. Default: picture files, audio and
            uint8 arrays with a value above 127 are divided, all other numbers are kept.
        channels_last: Whether the last axis of an array holds the channels and is moved to the
            front. Default: only that of uint8 pictures with 1 or 3 channels.
        alpha: What the fourth plane of uint8 pictures `(n, height, width, 4)` is: `white`: their
            transparency, and they are laid on white; `plane`: a plane like the others. Default: a
            plane, unless it is 255 everywhere, which says nothing and is left out.
        strict: Whether a key, column, split or alpha that the source does not have is refused;
            otherwise it is left to the source.
    """

    key: str | None = None
    column: str | None = None
    split: str | None = None
    scale: Scale | None = None
    channels_last: bool | None = None
    alpha: Alpha | None = None
    strict: bool = True

    def __post_init__(self) -> None:
        """Refuses values that are no such choice."""
        for name in ("key", "column", "split"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise invalid(name, value, f"the name of a {name}")
        if self.alpha is not None:
            one_of("alpha", self.alpha, get_args(Alpha))
        if self.channels_last not in (None, True, False):
            raise invalid("channels_last", self.channels_last, "True, False, or None")
        object.__setattr__(self, "scale", _checked_scale(self.scale))

    @property
    def rule(self) -> Rule | None:
        """The rule for integers that the caller named; a range scales numbers that are kept."""
        return "keep" if isinstance(self.scale, tuple) else self.scale

    def refuse_unused(self, source: str, *used: str) -> None:
        """Refuses names for which a source has no use."""
        for name in ("key", "column", "split", "alpha"):
            value = getattr(self, name)
            if value is not None and self.strict and name not in used:
                raise MnemoscopeError(
                    f"{name}={value!r} for {source}",
                    expected="nothing, since there is nothing to choose from",
                    todo=f"leave {name} out",
                    field=name,
                )


def _checked_scale(scale: object) -> Scale | None:
    if scale is None or scale in ("divide", "keep"):
        return scale  # pyright: ignore[reportReturnType]
    try:
        if isinstance(scale, str):
            raise TypeError
        low, high = map(float, scale)  # pyright: ignore[reportArgumentType]
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError
    except (TypeError, ValueError) as error:
        expected = "divide, keep, or the two numbers that become 0 and 1, the lower one first"
        raise invalid("scale", scale, expected) from error
    return low, high


AS_IT_IS = Reading()
"""The source decides everything."""


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
class Examples:
    """The examples that were read, and by which rules.

    Attributes:
        X: `(n, *shape)`, float32.
        scale: The rule by which its numbers were read; None where nothing was to be decided.
        key: The array that was taken, where the file holds several.
        column: The column or columns that were taken, where the source has them.
        split: The part that was taken, where the source has parts.
        channels_last: Whether the last axis was moved to the front, where the caller said so.
        alpha: What a fourth plane was taken for; None where that was not asked.
    """

    X: Float[Tensor, " n *shape"]
    scale: Scale | None = None
    key: str | None = None
    column: str | None = None
    split: str | None = None
    channels_last: bool | None = None
    alpha: Alpha | None = None

    @property
    def record(self) -> dict[str, Any]:
        """The arguments with which `load_data` reads any source in the same way."""
        given = {name: getattr(self, name) for name in OPTIONS}
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}
        return {name: value for name, value in plain.items() if value is not None}

    @property
    def description(self) -> str:
        """One line for people: key, column, split, shape, range and rule of scaling."""
        n, *shape = self.X.shape
        low, high = float(self.X.min()), float(self.X.max())
        parts = [
            f"{plural(n, 'example')} of shape ({', '.join(map(str, shape))})",
            f"numbers from {low:.6g} to {high:.6g}",
        ]
        if self.scale == "divide":
            parts[-1] += " after division by the largest number of the format"
        elif isinstance(self.scale, tuple):
            parts[-1] += f" after ({self.scale[0]:g}, {self.scale[1]:g}) became (0, 1)"
        for name in ("split", "key", "column"):
            value = getattr(self, name)
            if value is not None:
                parts.append(f"{name} {value if len(value) <= 60 else value[:57] + '...'}")
        return ", ".join(parts)
