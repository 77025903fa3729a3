"""How a source is read, and what was read."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError

Rule = Literal["divide", "keep"]
Scale = Rule | tuple[float, float]
Alpha = Literal["white", "plane"]


@dataclass(frozen=True)
class Reading:
    """What the caller says about a source; None leaves it to the source.

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
        """Refuses what is no such choice."""
        for name in ("key", "column", "split"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise MnemoscopeError(
                    f"{name}={value!r}", expected=f"the name of a {name}", todo="name one"
                )
        if self.alpha is not None and self.alpha not in get_args(Alpha):
            raise MnemoscopeError(
                f"alpha={self.alpha!r}",
                expected=f"{' or '.join(get_args(Alpha))}, or nothing",
                todo="choose one of these",
            )
        if self.channels_last not in (None, True, False):
            raise MnemoscopeError(
                f"channels_last={self.channels_last!r}",
                expected="True, False, or nothing",
                todo="choose one of these",
            )
        object.__setattr__(self, "scale", _checked_scale(self.scale))

    @property
    def rule(self) -> Rule | None:
        """The rule for integers that the caller named; a pair scales numbers that are kept."""
        return "keep" if isinstance(self.scale, tuple) else self.scale

    def refuse_unused(self, told: str, *used: str) -> None:
        """Refuses names that a source has no use for.

        Args:
            told: The source, as the message names it.
            *used: The options that it does use.

        Raises:
            MnemoscopeError: a key, column, split or alpha is given that is not among them.
        """
        for name in ("key", "column", "split", "alpha"):
            value = getattr(self, name)
            if value is not None and self.strict and name not in used:
                raise MnemoscopeError(
                    f"{name}={value!r} for {told}",
                    expected="nothing, since there is nothing to choose from",
                    todo=f"leave {name} out",
                )


def _checked_scale(scale: object) -> Scale | None:
    if scale is None or scale in ("divide", "keep"):
        return scale  # pyright: ignore[reportReturnType]
    try:
        if isinstance(scale, str):
            raise TypeError
        low, high = map(float, scale)  # pyright: ignore[reportArgumentType]
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise ValueError
    except (TypeError, ValueError) as error:
        raise MnemoscopeError(
            f"scale={scale!r}",
            expected="divide, keep, or the two numbers that become 0 and 1, the lower one first",
            todo='choose one of these, as scale="keep" or scale=(0, 4095)',
        ) from error
    return low, high


OPTIONS = ("key", "column", "split", "scale", "channels_last", "alpha")
"""What is recorded of a reading."""

AS_IT_IS = Reading()
"""Everything is left to the source."""


@dataclass(frozen=True)
class Examples:
    """What was read.

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
        """What `load_data` must be passed to read the source, or another one, in the same way."""
        told = {name: getattr(self, name) for name in OPTIONS}
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in told.items()}
        return {name: value for name, value in plain.items() if value is not None}

    @property
    def description(self) -> str:
        """What was taken, in one line: key, column, split, shape, range and rule of scaling."""
        n, *shape = self.X.shape
        low, high = float(self.X.min()), float(self.X.max())
        parts = [
            f"{n:,} example{'s' if n > 1 else ''} of shape ({', '.join(map(str, shape))})",
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
