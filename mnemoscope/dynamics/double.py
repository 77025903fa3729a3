"""The same map in double precision, where it has one."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.dynamics.states import rms
from mnemoscope.maps import SelfMap

AGREE = 1e-3
"""Values in the two precisions may differ by this share of their size: deep networks round."""

PROBES = 4
"""States at which values are compared."""


def in_float64(f: SelfMap, Z: Float[Tensor, "n *shape"]) -> SelfMap | None:
    """Returns the map in float64, or None where it has none.

    Modules are copied. A callable is given states of float64, and where it does not take them, as
    it computes with weights of its own in float32, these are widened as they are used. Values at
    some of the states `Z`, at least one, are compared with those in float32: a callable may be
    another map in another dtype, or compute in single precision all the same, which shows in values
    that all are numbers of single precision.
    """
    if f.dtype == torch.float64:
        return f
    # A map whose values come in steps has these in any precision.
    if f.device.type == "mps" or not f.resolution.smooth:
        return None
    z = Z[:PROBES]
    nudge = torch.randn(z.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # Off the numbers of single precision, which shows whether values have more digits.
    nudged = z.double() * (1 + 1e-9 * nudge.to(z.device))
    single = f(z).double()
    for double in _candidates(f):
        try:
            values = double(double.clipped(nudged))
        except (MnemoscopeError, RuntimeError, TypeError):
            continue
        fine = values.dtype == torch.float64 and not torch.equal(values, values.float().double())
        far = rms(values - single) > AGREE * torch.maximum(rms(single), rms(nudged))
        if fine and not bool(far.any()) and bool(torch.isfinite(values).any()):
            # Findings about the map hold in both precisions.
            double.findings.adopt(f.findings)
            double.findings.exempt = True
            return double
    return None


def _candidates(f: SelfMap) -> Iterator[SelfMap]:
    try:
        double = f.to(torch.float64)
    except (RuntimeError, TypeError):
        return
    yield double
    if f.differentiable:
        stages = [s if isinstance(s, nn.Module) else _Widened(s) for s in double.stages]
        yield double._with_stages(tuple(stages), dtype=torch.float64)


class _Widened:
    """A callable whose own numbers of single precision are widened as they are used."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage

    def __call__(self, z: Tensor) -> Tensor:
        """Returns the values at these states."""
        with _Wide():
            return self._stage(z)


class _Wide(TorchFunctionMode):
    """Widens each tensor that goes into an operation."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Calls the operation with float64 in the place of float32."""
        return func(*tree_map(_wide, args), **tree_map(_wide, kwargs or {}))


def _wide(x: Any) -> Any:
    with torch._C.DisableTorchFunction():
        return x.double() if isinstance(x, Tensor) and x.dtype == torch.float32 else x
