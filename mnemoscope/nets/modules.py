"""Any module: the dtype and device of its states, copies in another dtype, and eval mode.

A module may hold complex parameters (Fourier layers) and integer ones (quantized weights, tables of
indices) in addition to real ones. Its states are real: they have the dtype of the first real
parameter, or the real dtype of the first complex one. `nn.Module.to(dtype)` drops imaginary parts;
here a complex number stays complex.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Dtypes that states can have. Those of 8 bits are for storage: nothing is computed in them."""

HALF = (torch.float16, torch.bfloat16)
"""Of these, which have three digits or two."""

COMPLEX = {
    torch.float16: torch.complex32,
    torch.float32: torch.complex64,
    torch.float64: torch.complex128,
}
"""The complex dtype whose parts have a real dtype; for bfloat16 there is none."""


Stage = TypeVar("Stage")

_log = logging.getLogger("mnemoscope")


def state_dtype(modules: Iterable[nn.Module], given: torch.dtype | None) -> torch.dtype:
    """Returns the dtype of the states of a chain of modules.

    The first that is found of: a real floating-point parameter, a complex parameter (the dtype of
    its parts), what is given, a floating-point buffer in the same way, float32. Integers and
    booleans never count.
    """
    known = list(modules)
    parameters = _real_dtype(p for module in known for p in module.parameters())
    if parameters is not None or given is not None:
        return parameters or given or torch.float32
    return _real_dtype(b for module in known for b in module.buffers()) or torch.float32


def state_device(modules: Iterable[nn.Module], given: torch.device | str | None) -> torch.device:
    """Returns the device of the first parameter, else what is given, else of the first buffer."""
    known = list(modules)
    parameter = next((p.device for module in known for p in module.parameters()), None)
    if parameter is not None or given is not None:
        return parameter or torch.device(given or "cpu")
    return next((b.device for module in known for b in module.buffers()), torch.device("cpu"))


def converted(module: nn.Module, dtype: torch.dtype, device: torch.device | str) -> nn.Module:
    """Returns a copy in another dtype and on another device.

    Real floating-point numbers take the dtype, complex ones the complex dtype whose parts have it;
    integers and booleans keep theirs.
    """

    def convert(tensor: Tensor) -> Tensor:
        if tensor.is_complex():
            return tensor.to(device=device, dtype=COMPLEX.get(dtype, torch.complex64))
        if tensor.is_floating_point():
            return tensor.to(device=device, dtype=dtype)
        return tensor.to(device=device)

    # The hook that `nn.Module.to` itself uses; recurrent layers rebuild their weights in it.
    return copied(module)._apply(convert)


def copied(module: nn.Module) -> nn.Module:
    """Returns a copy that shares nothing with the module."""
    # What a layer has computed from its parameters cannot be copied with its graph.
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    return deepcopy(module, dict(computed))


def in_single(stage: Stage) -> Stage:
    """Returns a float32 copy of a module with parameters of half precision, else the stage."""
    if not isinstance(stage, nn.Module):
        return stage
    tensors = [*stage.parameters()] or [*stage.buffers()]
    if not any(tensor.dtype in HALF for tensor in tensors):
        return stage
    _log.info("%s is evaluated as a float32 copy", type(stage).__name__)
    return converted(stage, torch.float32, state_device([stage], None))


@contextmanager
def eval_mode(network: nn.Module) -> Iterator[None]:
    """Puts a network into eval mode inside; afterwards each of its modules is as it was.

    Not only its mode: old-style `weight_norm` and `spectral_norm` compute a layer's weight in each
    call and leave it as a plain attribute, which inside a function transform is a tensor of that
    transform, of no use outside. It is left with the values it had, and without their graph: so the
    network can be copied.
    """
    training = [module for module in network.modules() if module.training]
    computed = [
        (module, name, value.detach())
        for module in network.modules()
        if module._forward_pre_hooks
        for name, value in vars(module).items()
        if isinstance(value, Tensor)
    ]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
        for module, name, value in computed:
            setattr(module, name, value)


def _real_dtype(tensors: Iterable[Tensor]) -> torch.dtype | None:
    dtypes = [tensor.dtype for tensor in tensors]
    real = next((dtype for dtype in dtypes if dtype in REAL), None)
    parts = next((dtype.to_real() for dtype in dtypes if dtype.is_complex), None)
    return real or parts
