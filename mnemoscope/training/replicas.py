"""The result of training many networks at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import Network, Spec
from mnemoscope.nets.stack import network_from
from mnemoscope.training.fit import Fit


@dataclass(frozen=True)
class Replicas:
    """R networks of one spec, each fitted by itself.

    `replicas[r]` is the network of replica `r`, a plain module; `len` and iteration work as for a
    list.

    Attributes:
        spec: What every one of them is built from.
        fits: The result of each training.
        diverged: `(R,)`, which of them diverged; such a one has the weights it was taken out with.
        seconds: How long all of it took, in seconds.
        parameters: `(R, *shape)` each: all weights and biases, in the order of a network's own.
    """

    spec: Spec
    fits: tuple[Fit, ...]
    diverged: Bool[Tensor, " r"]
    seconds: float
    parameters: tuple[Float[Tensor, "r *shape"], ...]

    def __len__(self) -> int:
        return len(self.fits)

    def __getitem__(self, replica: int) -> Network:
        row = range(len(self))[replica]
        network = network_from(self.spec, [values[row] for values in self.parameters])
        network.training_record = self.fits[row].record
        return network

    def __iter__(self) -> Iterator[Network]:
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        converged, diverged = int(self.converged.sum()), int(self.diverged.sum())
        return (
            f"Replicas({len(self)} × {self.spec!r}: {converged} converged, {diverged} diverged, "
            f"{self.seconds:.3g} s)"
        )

    @property
    def loss(self) -> Float[Tensor, " r"]:
        """`(R,)` float64, the training loss of each."""
        return torch.tensor([fit.loss for fit in self.fits], dtype=torch.float64)

    @property
    def steps(self) -> Int[Tensor, " r"]:
        """`(R,)`, the steps that each has taken."""
        return torch.tensor([fit.steps for fit in self.fits])

    @property
    def converged(self) -> Bool[Tensor, " r"]:
        """`(R,)`, which of them interpolate."""
        return torch.tensor([fit.converged for fit in self.fits])

    def states_of_each(
        self, X: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"]
    ) -> Sequence[Float[Tensor, "n *shape"]]:
        """Returns the states of each replica.

        Args:
            X: `(n, *shape)`, states for all of them; or `(R, n, *shape)`, for each its own.

        Raises:
            MnemoscopeError: there are states for another number of replicas, or of another shape.
        """
        own = X.ndim == len(self.spec.shape) + 2
        if own and len(X) != len(self):
            raise MnemoscopeError(
                f"states for {len(X)} replicas",
                expected=f"for {len(self)}, or a batch (n, *shape) for all",
                todo="pass as many as there are replicas",
            )
        if tuple(X.shape[own + 1 :]) != self.spec.shape:
            raise MnemoscopeError(
                f"states of shape {tuple(X.shape[own + 1 :])}",
                expected=f"states of shape {self.spec.shape}, as the networks have",
                todo="reshape them",
            )
        return list(X) if own else [X] * len(self)
