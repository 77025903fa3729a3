"""Which examples look most as if they were stored, and which are audited."""

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from mnemoscope.maps import SelfMap
from mnemoscope.measure.screening.drift import Drift
from mnemoscope.measure.whole_set import at_once


def order_of(found: Drift) -> Int[Tensor, " n"]:
    """The examples from the most suspicious on.

    By their drift, then by their residual, then by their index, so that ties are in one order on
    any machine. Those whose orbit leaves the finite numbers are last.
    """
    order = torch.arange(len(found.drift))
    for key in (found.residual, found.drift):
        key = torch.where(torch.isnan(key), torch.inf, key)
        order = order[key[order].argsort(stable=True)]
    return order


def first_distinct(
    f: SelfMap, X: Num[Tensor, "n *shape"], order: Int[Tensor, " n"], most: int
) -> Int[Tensor, " r"]:
    """The first examples in an order, of those that are equal (as states) only one.

    Duplicates have the same drift, so a hundred copies of one example would hide all others.
    """
    seen: set[bytes] = set()
    chosen: list[int] = []
    for rows in order.split(at_once(f)):
        states = f.batch(X[rows.to(X.device)]).cpu().double()
        # Adding 0 makes one zero of the two.
        for row, state in zip(rows.tolist(), (states + 0).flatten(1).numpy(), strict=True):
            key = state.tobytes()
            if key not in seen:
                seen.add(key)
                chosen.append(row)
            if len(chosen) == most:
                return torch.tensor(chosen)
    return torch.tensor(chosen)


def drawn(n: int, most: int, seed: int) -> Int[Tensor, " r"]:
    """A random sample of the examples without replacement, in their order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n, generator=generator)[:most].sort().values


def ranks(order: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """The place of each example in an order, from 1 on."""
    place = torch.empty_like(order)
    place[order] = torch.arange(1, len(order) + 1)
    return place


def checked_residual(found: Float[Tensor, " n"]) -> int | None:
    """The first example that the map makes NaN or infinity of in its first step, if any."""
    broken = torch.isnan(found).nonzero()
    return int(broken[0, 0]) if len(broken) else None
