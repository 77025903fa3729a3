"""Linear convolutional autoencoders: which entries of the operator can be other than zero.

One layer of k × k convolution with zero padding connects pixels at most `(k - 1) / 2` apart in
Chebyshev distance; `L` of them connect pixels at most `L (k - 1) / 2` apart, however many channels
lie between. Every entry beyond is exactly zero. The projection on a generic image has no zero
entry, so a network too shallow to connect opposite corners cannot be it (Radhakrishnan, Yang,
Belkin, Uhler, arXiv 1810.10333).
"""

import torch
from jaxtyping import Bool
from torch import Tensor

from mnemoscope.base.check import invalid, whole_number


def receptive_field_mask(size: int, depth: int, kernel_size: int = 3) -> Bool[Tensor, "s2 s2"]:
    """Returns a mask of the entries that may be nonzero in `depth` layers on `size × size` pixels.

    Pixels are numbered row by row.

    Raises:
        MnemoscopeError: a number is below 1, or the kernel's size is even.

    Example:
        >>> receptive_field_mask(3, depth=1).sum(1).tolist()
        [4, 6, 4, 6, 9, 6, 4, 6, 4]
        >>> bool(receptive_field_mask(3, depth=2).all())
        True
    """
    _check(size=size, depth=depth, kernel_size=kernel_size)
    place = torch.arange(size * size)
    apart = [(axis[:, None] - axis).abs() for axis in (place // size, place % size)]
    return torch.maximum(*apart) <= depth * (kernel_size - 1) // 2


def minimum_memorizing_depth(size: int, kernel_size: int = 3) -> int:
    """Computes the fewest layers that connect every pixel with every other.

    `ceil((s - 1) / ((k - 1) / 2))`, where a layer reaches `(k - 1) / 2` pixels.
    With fewer, no linear network of whatever number of channels memorizes a generic `s × s` image.

    Raises:
        MnemoscopeError: a number is below 1, or the kernel's size is even or 1.

    Example:
        >>> minimum_memorizing_depth(7), minimum_memorizing_depth(7, kernel_size=5)
        (6, 3)
    """
    _check(size=size, kernel_size=kernel_size)
    if kernel_size == 1 and size > 1:
        raise invalid("kernel_size", kernel_size, "3 or more: 1 × 1 kernels connect no two pixels")
    return max(1, -(-2 * (size - 1) // max(1, kernel_size - 1)))


def heuristic_memorizing_depth(size: int, kernel_size: int = 3, channels: int = 1) -> int:
    """Computes the layers with as many weights as the operator has entries, `s^4`: a heuristic.

    With one channel a layer has `k^2` weights, so it takes `s^4 / k^2` layers. With `C` channels
    the first and the last layer have `C k^2` and those between `C^2 k^2`. Never fewer than
    `minimum_memorizing_depth`.

    Raises:
        MnemoscopeError: a number is below 1, or the kernel's size is even or 1.

    Example:
        >>> [heuristic_memorizing_depth(s) for s in range(2, 8)]
        [2, 9, 29, 70, 144, 267]
    """
    _check(size=size, kernel_size=kernel_size, channels=channels)
    needed = size**4
    inner, outer = channels**2 * kernel_size**2, channels * kernel_size**2
    # One layer of one channel in and out has k^2 weights, whatever `channels` is.
    between = max(0, -(-(needed - 2 * outer) // inner))
    depth = 1 if needed <= kernel_size**2 else 2 + between
    return max(depth, minimum_memorizing_depth(size, kernel_size))


def _check(**numbers: int) -> None:
    for name, number in numbers.items():
        whole_number(name, number, least=1)
        if name == "kernel_size" and number % 2 == 0:
            raise invalid(name, number, "an odd number, 1 or more")
