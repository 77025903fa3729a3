"""Arrays in memory as tensors: which hold real numbers, and in which dtype."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError


def check_real(array: Any, told: str) -> None:
    """Refuses what holds no real numbers, or not densely in memory.

    Raises:
        MnemoscopeError: the array is of that sort.
    """
    if not isinstance(array, Tensor):
        if array.dtype.kind not in "biuf":
            raise MnemoscopeError(
                f"{told}, an array of {array.dtype}",
                expected="real numbers",
                todo="convert it; of a complex number take both parts, as two channels",
            )
    elif array.is_complex() or array.is_quantized or array.layout != torch.strided or array.is_meta:
        raise MnemoscopeError(
            f"{told}, a tensor of {array.dtype}, {array.layout}, on {array.device}",
            expected="real numbers, dense and in memory",
            todo="convert it: torch.view_as_real makes two numbers of a complex one"
            if array.is_complex()
            else "convert it",
        )


def as_tensor(array: Tensor | np.ndarray) -> Tensor:
    """Returns an array as a tensor on the CPU, in the nearest dtype; it may share its memory."""
    if isinstance(array, np.ndarray):
        # PyTorch knows neither a foreign byte order nor floats of more than 64 bits.
        wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
        dtype = np.dtype(np.float64) if wide else array.dtype.newbyteorder("=")
        same = np.ascontiguousarray(array, dtype=dtype)
        # PyTorch warns of arrays that must not be written to, as those of mapped files.
        return torch.from_numpy(same if same.flags.writeable else same.copy())
    return array.detach().cpu()
