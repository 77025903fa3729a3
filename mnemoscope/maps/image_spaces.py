"""Orthonormal coordinates of the space that a fully connected network maps into.

A network `f(z) = B u(z) + b` whose last layer has no activation maps every state into the span
of the `w` columns of `B` and of `b`. With orthonormal rows `Q` of that span, `z = Q^T y` and
`|z| = |y|` on it, and `g(y) = Q f(Q^T y)` is the same map in these coordinates:
`f(Q^T y) = Q^T g(y)`. Orbits, distances, fixed points and the eigenvalues that are not zero are
the same. `g` is a network too: its first weights are `A Q^T` instead of `A`, its last `Q B`
instead of `B`. Of `d` entries `w + 1` are left, and a step costs so much less.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.maps.self_map import Findings, SelfMap
from mnemoscope.nets.plain import PlainLayer, plain_layers

WORTHWHILE = 4
"""Coordinates are changed where this reduces their number by this factor."""


@dataclass(frozen=True)
class ImageSpace:
    """A map in orthonormal coordinates of the space it maps into.

    Attributes:
        basis: `(r, d)`, orthonormal rows.
        map: The map in these coordinates, of states `(r,)`; its unit makes shares of it the same.
        layers: The network's layers; the last one ends in these coordinates.
        shape: Of the map's states.
    """

    basis: Float[Tensor, "r d"]
    map: SelfMap
    layers: tuple[PlainLayer, ...]
    shape: tuple[int, ...]

    def image(self, Z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n r"]:
        """Returns the coordinates of `f(z)` for any states."""
        with torch.no_grad():
            return _through(self.layers, Z.flatten(1))

    def coordinates(self, Z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n r"]:
        """Returns the coordinates of states in the space; of others, of their projections on it."""
        return Z.flatten(1) @ self.basis.T

    def states(self, Y: Float[Tensor, "n r"]) -> Float[Tensor, "n *shape"]:
        """Returns the states that have these coordinates."""
        return (Y @ self.basis).reshape(len(Y), *self.shape)

    @property
    def scale(self) -> float:
        """What a root mean square over coordinates is times that over a state's entries."""
        r, d = self.basis.shape
        return (d / r) ** 0.5


def image_space(f: SelfMap) -> ImageSpace | None:
    """Returns the space that the map maps into, or None where it is unknown or hardly smaller.

    Known it is for a fully connected network of two layers or more without an output activation.
    Of a map with a domain it is not used: whether entries lie in their bounds, coordinates do not
    show.
    While the map is being evaluated many times (`SelfMap.evaluating`) it is found once.
    """
    return f.once("image space", lambda: _image_space(f))


def _image_space(f: SelfMap) -> ImageSpace | None:
    plain = len(f.stages) == 1 and f.domain is None
    layers = plain_layers(f.stages[0]) if plain else None
    if layers is None or len(layers) < 2 or not isinstance(layers[-1].phi, torch.nn.Identity):
        return None
    first, last = layers[0], layers[-1]
    d, w = last.weight.shape
    if WORTHWHILE * (w + 1) > d:
        return None
    with torch.no_grad():
        columns = [last.weight.double()]
        if last.bias is not None:
            columns.append(last.bias.double()[:, None])
        Q = torch.linalg.qr(torch.cat(columns, dim=1)).Q.T
        into = replace(
            last,
            weight=(Q @ columns[0]).to(f.dtype),
            bias=None if last.bias is None else (Q @ columns[1])[:, 0].to(f.dtype),
        )
        outof = replace(first, weight=(first.weight.double() @ Q.T).to(f.dtype))
    own = (outof, *layers[1:-1], into)
    inner = SelfMap(
        lambda Y: _through(own, Y),
        (len(Q),),
        dtype=f.dtype,
        device=f.device,
        unit=f.unit * (d / len(Q)) ** 0.5,
    )
    inner.findings = Findings(exempt=True)
    return ImageSpace(
        basis=Q.to(f.dtype),
        map=inner,
        layers=(*layers[:-1], into),
        shape=f.shape,
    )


def _through(layers: Sequence[PlainLayer], a: Tensor) -> Tensor:
    for layer in layers:
        a = layer.phi(layer.affine(a))
    return a
