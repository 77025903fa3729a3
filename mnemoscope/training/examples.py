"""The examples of a training: their targets, their unit, and the order in which steps see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.provenance import checksum
from mnemoscope.base.unit import unit_of
from mnemoscope.data.given import given_examples

EPOCHS = 64
"""Passes whose orders are drawn at once."""


@dataclass(frozen=True)
class Examples:
    """The examples and targets of networks: one set for all of them, or one for each.

    Attributes:
        X: `(n, *shape)`, or `(R, n, *shape)`, in the dtype and on the device of the networks.
        Y: The targets, of the same shape; `X` itself for an autoencoder.
        own: Each network has its own.
        given: The examples as the caller passed them.
    """

    X: Tensor
    Y: Tensor
    own: bool
    given: Tensor

    @property
    def count(self) -> int:
        """The number of examples of one network, `n`."""
        return self.X.shape[int(self.own)]

    def unit(self, network: int) -> float:
        """Returns the unit of one network's examples."""
        return self._units[network if self.own else 0]

    def provenance(self, network: int) -> dict[str, Any]:
        """Returns the fields of a training record that describe one network's examples."""
        return {
            "examples": self.count,
            "data_checksum": self._checksums[network if self.own else 0],
            "targets": self.Y is not self.X,
        }

    def of(self, members: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Copies them for each of some networks, `(r, n, *shape)`, for contiguous products."""
        X = self._rows(self.X, members)
        return X, X if self.Y is self.X else self._rows(self.Y, members)

    # Computed on demand: neither is free, and `unit_of` may warn.
    @cached_property
    def _units(self) -> list[float]:
        return [unit_of(X) for X in self._sets()]

    @cached_property
    def _checksums(self) -> list[str]:
        return [checksum(X) for X in self._sets()]

    def _sets(self) -> list[Tensor]:
        return list(self.given) if self.own else [self.given]

    def _rows(self, values: Tensor, members: Sequence[int]) -> Tensor:
        if self.own:
            return values[list(members)]
        return values.expand(len(members), *values.shape).contiguous()


def checked_examples(
    X: Any, targets: Any, *, ndim: int | None, dtype: torch.dtype, device: torch.device | str
) -> Examples:
    """Checks examples and targets and brings them to a network's dtype and device."""
    X = given_examples(X)
    for name, values in (("examples", X), ("targets", targets)):
        if not isinstance(values, Tensor) and not (values is None and name == "targets"):
            raise MnemoscopeError(
                f"{name} that are a {type(values).__name__}",
                expected="a tensor (n, *shape)",
                todo="load them with mn.load_data, or use torch.as_tensor",
                field="X" if name == "examples" else name,
            )
    if X.ndim < 2 or X.numel() == 0:
        raise MnemoscopeError(
            f"examples of shape {tuple(X.shape)}",
            expected="a batch (n, *shape) of at least one",
            todo="pass one example as x[None]",
            field="X",
        )
    if targets is not None and targets.shape != X.shape:
        raise MnemoscopeError(
            f"targets of shape {tuple(targets.shape)} for examples of shape {tuple(X.shape)}",
            expected="a target for each example, of its shape",
            todo="for a sequence pass targets=X.roll(-1, 0)",
            field="targets",
        )
    data = X.detach().to(device=device, dtype=dtype)
    goal = data if targets is None else targets.detach().to(device=device, dtype=dtype)
    for name, values in (("examples", data), ("targets", goal)):
        if not bool(torch.isfinite(values).all()):
            where = (~torch.isfinite(values)).nonzero()[0].tolist()
            raise MnemoscopeError(
                f"NaN or infinity in the {name} at index {where}",
                expected=f"finite numbers within the range of {values.dtype}",
                todo="correct or remove that example",
                field="X" if name == "examples" else name,
            )
    return Examples(data, goal, X.ndim == ndim, X)


def orders(n: int, *, seed: int, block: int) -> Int[Tensor, "epochs n"]:
    """Draws the orders of `n` examples in `EPOCHS` passes, from seed and block alone.

    Pass `e` is row `e % EPOCHS` of block `e // EPOCHS`. So a training that is resumed at a pass
    sees the same examples in the same order, and so does one of many that are trained at once.
    """
    # The odd multiplier is Knuth's, to keep the streams of neighbouring seeds apart.
    generator = torch.Generator().manual_seed((seed * 2654435761 + block) % 2**63)
    return torch.rand(EPOCHS, n, generator=generator, dtype=torch.float64).argsort(dim=1)


class Order:
    """The orders of `n` examples for some seeds, pass by pass, on a device."""

    def __init__(self, n: int, seeds: list[int], device: torch.device) -> None:
        self._n, self._seeds, self._device = n, seeds, device
        self._block, self._drawn = -1, torch.empty(0)

    def epoch(self, number: int) -> Int[Tensor, "r n"]:
        """Returns the order of pass `number`, a row for each seed."""
        block, row = divmod(number, EPOCHS)
        if block != self._block:
            drawn = [orders(self._n, seed=seed, block=block) for seed in self._seeds]
            self._drawn = torch.stack(drawn, dim=1).to(self._device)
            self._block = block
        return self._drawn[row]
