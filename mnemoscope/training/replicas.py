"""The result of training many networks at once, and the spectral radii of all of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.memory import batch_size_within
from mnemoscope.linalg import spectral_radius
from mnemoscope.linalg.dense import DENSE_EIGEN_SIZE, spectral_radii
from mnemoscope.nets import FullyConnected, Network, Spec
from mnemoscope.nets.stack import FullyConnectedStack, network_from
from mnemoscope.training.fit import Fit


@dataclass(frozen=True)
class Replicas:
    """R networks of one spec, each fitted by itself.

    `replicas[r]` is the network of replica `r`, a plain module; `len` and iteration work as for a
    list.

    Attributes:
        spec: The spec that every one of them is built from.
        fits: The result of each training.
        diverged: `(R,)`, True where training diverged; the weights are those of that moment.
        seconds: Duration of all of it, in seconds.
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
        """`(R,)`, True where the network interpolates."""
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


def replica_spectral_radius(
    replicas: Replicas,
    X: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"],
    **options: Any,
) -> Float[Tensor, "r n"]:
    """Computes the spectral radius of every network at every state.

    Without options, and where fully connected networks have a layer of few units, all of them at
    once; otherwise one network after the other.

    Args:
        replicas: The networks.
        X: `(n, *shape)`, states for all of them; or `(R, n, *shape)`, for each its own.
        **options: As `mn.spectral_radius` takes them.

    Raises:
        MnemoscopeError: as `mn.spectral_radius`.
    """
    each = replicas.states_of_each(X)
    if has_small_cores(replicas.spec) and not options and len(each[0]):
        assert isinstance(replicas.spec, FullyConnected)
        like = replicas.parameters[0]
        states = torch.stack(list(each)).to(device=like.device, dtype=like.dtype)
        return stack_spectral_radius(replicas.spec, replicas.parameters, states)
    radii = [spectral_radius(net, Z, **options) for net, Z in zip(replicas, each, strict=True)]
    return torch.stack(radii)


def has_small_cores(spec: Spec) -> bool:
    """Decides whether a dense solver at the narrowest layer is faster than a Krylov method."""
    return (
        isinstance(spec, FullyConnected)
        and min([math.prod(spec.shape), *spec.widths]) <= DENSE_EIGEN_SIZE
    )


def stack_spectral_radius(
    spec: FullyConnected,
    parameters: Sequence[Float[Tensor, "r *shape"]],
    Z: Float[Tensor, "r n *shape"],
) -> Float[Tensor, "r n"]:
    """Returns the spectral radius of every network at each of its states.

    From `FullyConnectedStack.cores`: batched products, and the eigenvalues of `r n` matrices of the
    narrowest layer's size. As many networks at once as fit into a quarter of the free memory.
    """
    sizes = [math.prod(spec.shape), *spec.widths]
    bytes_each = 3 * Z.shape[1] * min(sizes) * max(sizes) * Z.element_size()
    together = batch_size_within(bytes_each, device=Z.device, largest=len(Z))
    found = [
        spectral_radii(FullyConnectedStack(spec, [p[rows] for p in parameters]).cores(Z[rows]))
        for rows in torch.arange(len(Z), device=Z.device).split(together)
    ]
    return torch.cat(found)
