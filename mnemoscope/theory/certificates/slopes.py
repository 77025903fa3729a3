"""Bounds the slope of an activation while its argument stays in an interval.

For two arguments in `[low, high]`, `phi(a) - phi(b) = s (a - b)` with an `s` in the range of `phi'`
there (at a kink: between the slopes of both sides). The range is exact but for the padding: between
its turning points `phi'` is monotone, so that its extremes are at the ends and at those points.

- `tanh`, `sigmoid`, `erf`: `phi'` is even and falls with `|z|`.
- `silu`: `phi'' = s (1 - s)(2 + z (1 - 2 s))` vanishes where `z tanh(z/2) = 2`;
  `gelu`: `phi'' = (2 - z^2)` times a density. `phi'` rises between the two points, falls outside.
- `elu`, `softplus`: `phi'` rises. `selu` has a kink at 0, where `phi'` falls from 1.76 to 1.05.
- `sin`, `cosid`: `phi'` is a cosine, and its turning points a lattice.

The activations are those that PyTorch defines, with `softplus(z) = z` above 20, where it falls by
2e-9. An interval over this jump has no bound.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.nets.activations import parse_activation

SLOPE_PADDING = 2.0**-44
"""Added on both sides of a slope that is computed: 512 units of rounding. The formulas below take
at most a dozen operations on numbers below 4, elementary functions (to some units) among them."""

VALUE_PADDING = 2.0**-48
"""`phi(z)` is computed to within this times `|z| + |phi(z)|`: 32 units of rounding; `gelu`,
the worst, needs about 4."""

Range = tuple[Tensor, Tensor]

_SILU_TURN = 2.399357280515468
_GELU_TURN = 2**0.5
_SOFTPLUS_JUMP = 20.0
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805

_FAR = 60.0
"""Modulus from which on the slopes of `silu` and `gelu` are 0 or 1 to 1e-24, and beyond which they
are not computed, so that infinity times zero does not appear."""


def slope_range(activation: str, low: Float[Tensor, "*n"], high: Float[Tensor, "*n"]) -> Range:
    """Returns the least and the largest slope of an activation over each interval `[low, high]`.

    Both lie outside of the true range, by at most about `SLOPE_PADDING`. The ends may be infinite.

    Raises:
        MnemoscopeError: there is no such activation.

    Example:
        >>> low, high = torch.tensor([-1.0, 1.0]).double(), torch.tensor([2.0, 3.0]).double()
        >>> slope_range("relu", low, high)
        (tensor([0., 1.], dtype=torch.float64), tensor([1., 1.], dtype=torch.float64))
    """
    name, number = parse_activation(activation)
    if name in ("identity", "relu", "leaky_relu"):
        left = {"identity": 1.0, "relu": 0.0}.get(name, number)
        assert left is not None
        return _two_slopes(low, high, left)
    least, largest = _RANGES[name](low, high)
    return least - SLOPE_PADDING, largest + SLOPE_PADDING


def steepest(activation: str) -> float:
    """Bounds the modulus of all slopes of the activation, but for the jump of `softplus`."""
    end = torch.tensor(math.inf, dtype=torch.float64)
    jumps = parse_activation(activation)[0] == "softplus"
    high = torch.full_like(end, _SOFTPLUS_JUMP) if jumps else end
    least, largest = slope_range(activation, -end, high)
    return max(-float(least), float(largest))


def _two_slopes(low: Tensor, high: Tensor, left: float) -> Range:
    one = torch.ones_like(low)
    at_low = torch.where(low > 0, one, left * one)
    at_high = torch.where(high >= 0, one, left * one)
    return torch.minimum(at_low, at_high), torch.maximum(at_low, at_high)


def _bump(slope: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Range:
    """Returns an even slope that falls with `|z|`."""
    near = torch.where((low <= 0) & (high >= 0), 0.0, torch.minimum(low.abs(), high.abs()))
    return slope(torch.maximum(low.abs(), high.abs())), slope(near)


def _rising(slope: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Range:
    return slope(low), slope(high)


def _rising_within(
    slope: Callable[[Tensor], Tensor], turn: float, low: Tensor, high: Tensor
) -> Range:
    """Returns a slope that rises between `-turn` and `turn` and falls outside."""
    ends = slope(low.clamp(-_FAR, _FAR)), slope(high.clamp(-_FAR, _FAR))
    top, bottom = (slope(torch.full_like(low, t)) for t in (turn, -turn))
    largest = torch.where((low <= turn) & (high >= turn), top, torch.maximum(*ends))
    least = torch.where((low <= -turn) & (high >= -turn), bottom, torch.minimum(*ends))
    return least, largest


def _cosine(low: Tensor, high: Tensor, *, shift: float) -> Range:
    """Returns the range of `cos(z + shift)`."""
    ends = _cos(low, shift), _cos(high, shift)
    largest = torch.where(_meets_lattice(low, high, -shift), 1.0, torch.maximum(*ends))
    least = torch.where(_meets_lattice(low, high, math.pi - shift), -1.0, torch.minimum(*ends))
    return least, largest


def _cos(z: Tensor, shift: float) -> Tensor:
    # The shift is 0 or a right angle; added to z it would round.
    return torch.cos(z) if shift == 0 else -torch.sin(z)


def _meets_lattice(low: Tensor, high: Tensor, offset: float) -> Tensor:
    """Decides whether `offset + 2 pi k` may lie in the interval, up to rounding."""
    doubt = 2.0**-48 * (1 + torch.maximum(low.abs(), high.abs()))
    first = torch.ceil((low - doubt - offset) / (2 * math.pi))
    last = torch.floor((high + doubt - offset) / (2 * math.pi))
    # Not "first <= last": with infinite ends that would be false where it is not a number.
    return ~(first > last) | ~torch.isfinite(low) | ~torch.isfinite(high)


def _sech2(z: Tensor) -> Tensor:
    t = torch.tanh(z)
    return (1 - t) * (1 + t)


def _logistic(z: Tensor) -> Tensor:
    return torch.sigmoid(z) * torch.sigmoid(-z)


def _gauss(z: Tensor) -> Tensor:
    return torch.exp(-(z**2)) * (2 / math.pi**0.5)


def _silu(z: Tensor) -> Tensor:
    return torch.sigmoid(z) * (1 + z * torch.sigmoid(-z))


def _gelu(z: Tensor) -> Tensor:
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return torch.erfc(-z / math.sqrt(2)) / 2 + z * density


def _elu(z: Tensor) -> Tensor:
    return torch.exp(z.clamp_max(0))


def _selu(low: Tensor, high: Tensor) -> Range:
    least, largest = (_SELU_SCALE * _SELU_ALPHA * slope for slope in _rising(_elu, low, high))
    right = torch.full_like(low, _SELU_SCALE)
    least = torch.where(low > 0, right, torch.where(high >= 0, torch.minimum(least, right), least))
    return least, torch.where(low > 0, right, largest)


def _softplus(low: Tensor, high: Tensor) -> Range:
    one = torch.ones_like(low)
    jumps = (low <= _SOFTPLUS_JUMP) & (high > _SOFTPLUS_JUMP)
    least = torch.where(low > _SOFTPLUS_JUMP, one, torch.sigmoid(low))
    largest = torch.where(low > _SOFTPLUS_JUMP, one, torch.sigmoid(high))
    return torch.where(jumps, -torch.inf, least), torch.where(jumps, torch.inf, largest)


def _cosid(low: Tensor, high: Tensor) -> Range:
    least, largest = _cosine(low, high, shift=math.pi / 2)
    return least - 1, largest - 1


_RANGES: dict[str, Callable[[Tensor, Tensor], Range]] = {
    "selu": _selu,
    "silu": partial(_rising_within, _silu, _SILU_TURN),
    "gelu": partial(_rising_within, _gelu, _GELU_TURN),
    "elu": partial(_rising, _elu),
    "softplus": _softplus,
    "tanh": partial(_bump, _sech2),
    "sigmoid": partial(_bump, _logistic),
    "erf": partial(_bump, _gauss),
    "sin": partial(_cosine, shift=0.0),
    "cosid": _cosid,
}
