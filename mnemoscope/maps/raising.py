"""Batches in which a map raises for some states: which ones, in few evaluations.

A map refuses a whole batch where it refuses one of its states. So a batch that fails is halved, and
each half that fails again, until the states that fail alone are found: for `k` of `n` states that
takes no more than `2 k log2(2 n / k)` evaluations, one after another, and none where none fails.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.maps.failures import MapFailedError


class Images(NamedTuple):
    """What a map makes of a batch.

    Attributes:
        values: `(n, *shape)`; NaN for states outside the map's domain.
        outside: `(n,)`, which states these are; None where all lie in it.
    """

    values: Float[Tensor, "n *shape"]
    outside: Bool[Tensor, " n"] | None


Evaluate = Callable[[Float[Tensor, "n *shape"]], Images]


def images_where_defined(
    evaluate: Evaluate, Z: Float[Tensor, "n *shape"], known: Float[Tensor, "1 *shape"]
) -> tuple[Images, MapFailedError | None]:
    """Returns the images of a batch, and what the map raised for states that it rejects."""
    try:
        return evaluate(Z), None
    except MapFailedError as error:
        whole = error
    if len(Z) == 0 or isinstance(whole.__cause__, OSError | SystemExit):
        raise whole
    values = torch.full_like(Z, torch.nan)
    outside = torch.ones(len(Z), dtype=torch.bool, device=Z.device)
    # Of one state alone a failure must be seen twice: it may have been a passing one.
    waiting = _halves(0, len(Z)) if len(Z) > 1 else [(0, 1)]
    refused: MapFailedError | None = None
    while waiting:
        first, last = waiting.pop()
        try:
            part = evaluate(Z[first:last])
        except MapFailedError as error:
            if last - first > 1:
                waiting += _halves(first, last)
            else:
                refused = error
            continue
        values[first:last] = part.values
        outside[first:last] = False if part.outside is None else part.outside
    if refused is None:
        raise whole
    try:
        evaluate(known)
    except MapFailedError:
        raise whole from whole.__cause__
    return Images(values, outside), refused


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    middle = (first + last) // 2
    return [(middle, last), (first, middle)]
