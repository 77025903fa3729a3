"""Tensors as files hold them: made ones that can be computed with, and no larger than the file."""

import torch
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError

REPEATED = 64 * 2**20
"""Bytes up to which a tensor may be larger than what is stored of it, since it repeats numbers."""

_TINY = ("float8", "float4", "bits")
"""How the names of dtypes begin that PyTorch stores and does not compute with."""


def computable(tensor: Tensor, what: str) -> Tensor:
    """Returns the tensor in a dtype that can be computed with; 8-bit floats become float32."""
    _refuse_repeated(tensor, what)
    name = str(tensor.dtype).removeprefix("torch.")
    if not name.startswith(_TINY):
        return tensor
    try:
        if not name.startswith("float8"):
            raise NotImplementedError
        return tensor.float()
    except (RuntimeError, NotImplementedError) as error:
        raise MnemoscopeError(
            f"{what}, of dtype {name}",
            expected="numbers of a dtype that PyTorch can compute with",
            todo="convert them to float32 before saving",
        ) from error


def _refuse_repeated(tensor: Tensor, what: str) -> None:
    """Refuses a tensor, such as `torch.zeros(1).expand(10**6, 10**6)`, that repeats few numbers."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return
    whole = tensor.numel() * tensor.element_size()
    stored = tensor.untyped_storage().nbytes()
    if whole > max(stored, REPEATED):
        raise MnemoscopeError(
            f"{what}, which repeats {stored:,} bytes over a shape of {tuple(tensor.shape)}, "
            f"{whole:,} bytes",
            expected="a tensor whose entries are all stored",
            todo="save tensor.contiguous(), if it is meant to be so large",
        )
