"""The rule by which integers become numbers: as pictures of 8 bits, or as they are."""

import logging

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.data.reading import Integers
from mnemoscope.errors import MnemoscopeError

PICTURE = 127
"""A uint8 array with a value above this is one of pictures: masks, grades and classes end below."""

EXACT = 2**24
"""Up to here float32 has every integer."""

log = logging.getLogger("mnemoscope")


def integer_rule(array: Tensor | np.ndarray) -> Integers | None:
    """Returns the rule that an array chooses by itself; None where it holds no integers."""
    if isinstance(array, np.ndarray):
        if array.dtype.kind not in "iu":
            return None
        bytes_ = array.dtype == np.uint8
    else:
        if array.is_floating_point() or array.is_complex() or array.dtype == torch.bool:
            return None
        bytes_ = array.dtype == torch.uint8
    large = bytes_ and 0 not in array.shape and int(array.max()) > PICTURE
    return "divide" if large else "keep"


def as_numbers(X: Tensor, rule: Integers, told: str) -> Float[Tensor, " n *shape"]:
    """Reads integers by a rule.

    Raises:
        MnemoscopeError: they are to be divided by 255, and some are not from 0 to 255.
    """
    if rule == "keep":
        return X.float()
    low, high = _ends(X)
    if low < 0 or high > 255:
        raise MnemoscopeError(
            f"{told} with integers from {low:.9g} to {high:.9g}, to be divided by 255",
            expected="whole numbers from 0 to 255",
            todo='keep the numbers as they are: integers="keep", --integers keep',
        )
    return X.float() / 255


def log_rule(X: Tensor, rule: Integers, told: str, *, chosen: bool) -> None:
    """Names the rule in the log: a warning where nobody chose it and it is not the usual one.

    Args:
        X: The integers.
        rule: How they are read.
        told: Where they come from, as the message names it.
        chosen: Whether the caller named the rule.
    """
    kind = str(X.dtype).removeprefix("torch.")
    low, high = _ends(X)
    found = f"{told}: integers ({kind}, {low:.9g} to {high:.9g})"
    if rule == "divide":
        log.info('%s are divided by 255; integers="keep" keeps their numbers', found)
        return
    rounded = ", rounded to float32" if max(-low, high) > EXACT else ""
    log.log(
        logging.INFO if chosen else logging.WARNING,
        '%s keep their numbers%s; integers="divide" (--integers divide) divides them by 255',
        found,
        rounded,
    )


def _ends(X: Tensor) -> tuple[float, float]:
    # PyTorch's unsigned integers of more than 8 bits have no minimum.
    numbers = X.double() if X.dtype in (torch.uint16, torch.uint32, torch.uint64) else X
    return float(numbers.min()), float(numbers.max())
