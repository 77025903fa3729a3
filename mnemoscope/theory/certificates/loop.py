"""A self-map cut open where it is narrowest: coordinates in which its fixed points are sought.

A network reads a state only through its first layer, `z_1 = W_1 x + b_1`. If that has fewer units
than the state has entries, the map `g` from `z_1` to the next `z_1` says all about `f`: with
`x = h(z_1)` the rest of the network, `g(z) = W_1 h(z) + b_1`, orbits of `f` are images under `h` of
orbits of `g`, and `h` maps the fixed points of `g` one to one onto those of `f`. Otherwise the cut
is at the state itself, `g = f`. Between the cuts activations and matrices alternate:

    M_K phi_K  M_(K-1) phi_(K-1) ... M_1 phi_1 M_0      (and biases).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.activations import activation_function
from mnemoscope.theory.certificates.affine_layers import AffineLayer
from mnemoscope.theory.certificates.rounding import (
    TINY,
    UP,
    frobenius,
    gamma,
    product_error,
)
from mnemoscope.theory.certificates.slopes import VALUE_PADDING, slope_range, steepest

MAX_COORDINATES = 1024
"""The most entries or units at the cut: matrices of this size are decomposed."""


@dataclass(frozen=True)
class Point:
    """The values of the network's layers at a state, with bounds on rounding.

    Attributes:
        state: `(d,)`, exact.
        arguments: Of each activation, `(w_k,)`, as computed.
        errors: How far each of these vectors can be from the true one (Euclidean).
        image: `(d,)`, `f(state)` as computed.
        image_error: How far it can be from the true one.
    """

    state: Float[Tensor, " d"]
    arguments: Sequence[Tensor]
    errors: Sequence[float]
    image: Float[Tensor, " d"]
    image_error: float


class Loop:
    """The layers of a map, cut open.

    Attributes:
        layers: All of them, from the state to its image.
        activations: The names `phi_1 ... phi_K` between matrices.
        inner: The layers whose matrices are `M_1 ... M_(K-1)`.
        at_state: Whether the cut is at the state, and not at `z_1`.
        last: `M_K` as computed, `(n, w_K)`; None for the identity.
        last_error: How far it can be from the true one.
        coordinates: `n`, of the cut.
    """

    def __init__(self, layers: Sequence[AffineLayer]) -> None:
        """Cuts where it is narrowest: at the state, or behind the first matrix."""
        self.layers = layers
        open_end = len(layers) > 1 and layers[-1].activation == "identity"
        active = layers[:-1] if open_end else layers
        self.activations = [layer.activation for layer in active]
        self.inner = active[1:]
        self._readout = layers[-1] if open_end else None
        units, entries = layers[0].weight.shape
        self.at_state = entries <= units
        self.coordinates = min(entries, units)
        if self.coordinates > MAX_COORDINATES:
            raise MnemoscopeError(
                f"a network of {entries} entries and {units} units in its first layer",
                expected=f"{MAX_COORDINATES} at most of one of them",
                todo="certify a narrower network, or one of smaller states",
            )
        self.last, self.last_error = self._join()

    def point(self, state: Float[Tensor, " d"]) -> Point:
        """Evaluates the network at a state.

        The error of a layer's argument is at most `|W| e + e'`: what came in, through the spectral
        norm, and what its own sums round; behind the activation the steepest slope multiplies it.
        """
        a, error = state, 0.0
        arguments, errors = [], []
        for layer in self.layers:
            own = frobenius(layer.magnitude @ a.abs() + layer.bias.abs())
            inputs = layer.weight.shape[1]
            # The moduli are summed with rounding too.
            own *= gamma(inputs + 2) * (1 + 2 * gamma(inputs))
            error = layer.norm * error + own + layer.error * frobenius(a) + TINY
            z = layer.weight @ a + layer.bias
            arguments.append(z)
            errors.append(error * UP)
            a = activation_function(layer.activation)(z)
            if layer.activation != "identity":
                error = steepest(layer.activation) * error
                error = (error + VALUE_PADDING * frobenius(z.abs() + a.abs())) * UP
        K = len(self.activations)
        return Point(state, arguments[:K], errors[:K], a, error * UP)

    def read(self, state: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
        """Returns the coordinates of a state."""
        if self.at_state:
            return state
        return self.layers[0].weight @ state + self.layers[0].bias

    def write(self, y: Float[Tensor, " n"]) -> Float[Tensor, " d"]:
        """Returns the state that comes of coordinates: `h(y)`."""
        return self._follow(y)[1]

    def step(self, y: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Computes `g(y)`."""
        return self.read(self.write(y))

    def jacobian_at(self, y: Float[Tensor, " n"]) -> Float[Tensor, "n n"]:
        """Returns the Jacobian of `g` at these coordinates."""
        return self.jacobian(self.slopes(self._follow(y)[0]))

    def jacobian(self, slopes: Sequence[Tensor]) -> Float[Tensor, "n n"]:
        """Computes the Jacobian of `g` for these slopes of the activations, in floating point."""
        J = self.first
        for i, slope in enumerate(slopes):
            J = slope[:, None] * J
            J = self.inner[i].weight @ J if i < len(self.inner) else self._to_end(J)
        return J

    @cached_property
    def first(self) -> Float[Tensor, "w_1 n"]:
        """`M_0`."""
        if self.at_state:
            return self.layers[0].weight
        return torch.eye(self.coordinates, dtype=torch.float64)

    @property
    def first_error(self) -> float:
        """Bounds the distance of `M_0` from the true one."""
        return self.layers[0].error if self.at_state else 0.0

    @property
    def readout_norm(self) -> float:
        """No less than the spectral norm of the matrix from the last activation to the state."""
        return 1.0 if self._readout is None else self._readout.norm

    def slopes(self, arguments: Sequence[Tensor]) -> list[Tensor]:
        """Slopes of each activation at its arguments; the mean of both sides at a kink."""
        ranges = [
            slope_range(name, z, z) for name, z in zip(self.activations, arguments, strict=True)
        ]
        return [(low + high) / 2 for low, high in ranges]

    @cached_property
    def to_states(self) -> Float[Tensor, "n n"] | None:
        """`T`, with `|T^-1 z|` the length of the smallest state that `z` is read from.

        `W_1 = T V` with orthonormal rows `V`, as floating point has it. None at a cut at the state.
        """
        if self.at_state:
            return None
        return torch.linalg.qr(self.layers[0].weight.T, mode="r").R.T

    def _follow(self, y: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns the arguments of the activations, and the state at the end."""
        a, arguments = y, []
        for i, layer in enumerate(self.layers):
            z = layer.weight @ a + layer.bias if i > 0 or self.at_state else a
            arguments.append(z)
            a = activation_function(layer.activation)(z)
        return arguments[: len(self.activations)], a

    def _to_end(self, J: Tensor) -> Tensor:
        return J if self.last is None else self.last @ J

    def _join(self) -> tuple[Tensor | None, float]:
        sense, readout = self.layers[0], self._readout
        if self.at_state:
            return (None, 0.0) if readout is None else (readout.weight, readout.error)
        if readout is None:
            return sense.weight, sense.error
        rounding = product_error(sense.weight.shape[1], sense.frobenius, readout.frobenius)
        error = sense.error * readout.frobenius + sense.frobenius * readout.error
        return sense.weight @ readout.weight, (rounding + error) * UP
