"""A network linearized in its trainable parameters: products with its Jacobian, in float64.

`f` are the network's outputs at all examples, `N = n d` entries, and `J = df/dp` is `(N, P)`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.nets.plain import plain_layers
from mnemoscope.training.networks import is_plain

ROWS_AT_ONCE = 64
"""Rows of a Jacobian that are computed together."""


class ParameterLinearization(ABC):
    """Products with the Jacobian of a network in its trainable parameters, in float64.

    Attributes:
        weights: `(P,)`, the trainable parameters one after the other; of complex ones the real
            and imaginary parts.
        size: The number of output entries, `N`.
    """

    weights: Float[Tensor, " P"]
    size: int

    @abstractmethod
    def pull(self, u: Float[Tensor, " N"]) -> Float[Tensor, " P"]:
        """Computes `J^T u`."""

    @abstractmethod
    def push(self, v: Float[Tensor, " P"]) -> Float[Tensor, " N"]:
        """Computes `J v`."""


def linearize_parameters(net: nn.Module, X: Float[Tensor, "n *shape"]) -> ParameterLinearization:
    """Linearizes a network in its parameters, written out where it is just what its spec says."""
    return WrittenOutLinearization(net, X) if is_plain(net) else RecordedLinearization(net, X)


class WrittenOutLinearization(ParameterLinearization):
    """A fully connected network in its parameters, layer by layer.

    Let `z_l = s_l W_l a_(l-1) + b_l` and `a_l = phi_l(z_l)`. A change `(dW_l, db_l)` of all layers
    changes the activations by

        da_l = phi_l'(z_l) o (s_l (dW_l a_(l-1) + W_l da_(l-1)) + db_l),    da_0 = 0

    and from `u` at the outputs, with `delta_L = phi_L'(z_L) o u`, the transposed product has

        dW_l = s_l delta_l a_(l-1)^T,  db_l = delta_l,
        delta_(l-1) = phi_(l-1)'(z_(l-1)) o s_l W_l^T delta_l

    summed over the examples. Each is two matrix products a layer. Held: activations and slopes of
    all examples, and the weights, in float64.
    """

    def __init__(self, net: nn.Module, X: Float[Tensor, "n *shape"]) -> None:
        """Evaluates the network and keeps what its derivative needs."""
        layers = plain_layers(net)
        assert layers is not None
        self._net, self._layers = net, [layer.to(X.device, torch.float64) for layer in layers]
        self.weights = torch.cat([double(p).flatten() for p in net.parameters()])
        self._inputs, self._slopes = [X.double().flatten(1)], []
        with torch.no_grad():
            for layer in self._layers:
                z = layer.affine(self._inputs[-1])
                a = layer.phi(z)
                self._slopes.append(layer.pullback(torch.ones_like(z), z, a))
                self._inputs.append(a)
        self._n, self.size = len(X), self._inputs.pop().numel()

    @torch.no_grad()
    def pull(self, u: Float[Tensor, " N"]) -> Float[Tensor, " P"]:
        """Computes `J^T u`."""
        parts: list[Tensor] = []
        back = u.view(self._n, -1)
        for layer, a, slope in zip(
            self._layers[::-1], self._inputs[::-1], self._slopes[::-1], strict=True
        ):
            delta = back * slope
            scaled = delta if layer.scale == 1 else layer.scale * delta
            parts += [] if layer.bias is None else [delta.sum(0)]
            parts.append((scaled.mT @ a).flatten())
            if layer is not self._layers[0]:
                back = scaled @ layer.weight
        return torch.cat(parts[::-1])

    @torch.no_grad()
    def push(self, v: Float[Tensor, " P"]) -> Float[Tensor, " N"]:
        """Computes `J v`."""
        changes = iter(split(self._net, v).values())
        moved: Tensor | None = None
        for layer, a, slope in zip(self._layers, self._inputs, self._slopes, strict=True):
            forward = a @ next(changes).mT
            if moved is not None:
                forward.addmm_(moved, layer.weight.mT)
            if layer.scale != 1:
                forward *= layer.scale
            if layer.bias is not None:
                forward += next(changes)
            moved = forward.mul_(slope)
        assert moved is not None
        return moved.flatten()


class RecordedLinearization(ParameterLinearization):
    """Any network in its trainable parameters, by automatic differentiation.

    Reverse mode gives `u -> J^T u`. That map is linear, so its own reverse mode is `v -> J v`, as
    in `mnemoscope.maps.Linearization`. Held: what one gradient of the whole batch holds, in
    float64; twice that once `push` was called.
    """

    def __init__(self, net: nn.Module, X: Float[Tensor, "n *shape"]) -> None:
        """Evaluates the network and keeps what its derivative needs."""
        self._net = net
        own = {name: p for name, p in net.named_parameters() if p.requires_grad}
        self.weights = torch.cat([double(reals(p)).flatten() for p in own.values()])
        fixed = {name: double(p) for name, p in net.named_parameters() if name not in own}
        fixed.update((name, double(buffer)) for name, buffer in net.named_buffers())

        def outputs(weights: Tensor) -> Tensor:
            return functional_call(net, fixed | split(net, weights), (X.double(),)).flatten()

        # The fused kernels of attention have no second derivative, which `push` needs.
        with _refusing(net), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            values, self._pull = vjp(outputs, self.weights)[:2]
            self._zeros = torch.zeros_like(values)
        self.size = values.numel()

    def pull(self, u: Float[Tensor, " N"]) -> Float[Tensor, " P"]:
        """Computes `J^T u`."""
        with _refusing(self._net), torch.no_grad():
            return self._pull(u)[0]

    def push(self, v: Float[Tensor, " P"]) -> Float[Tensor, " N"]:
        """Computes `J v`."""
        with _refusing(self._net), torch.no_grad():
            return self._push(v)[0]

    def rows(self) -> Float[Tensor, "N P"]:
        """Computes `J` itself, in bounded chunks of rows."""
        J = self.weights.new_empty(self.size, len(self.weights))
        units = torch.eye(self.size, dtype=J.dtype, device=J.device)
        with _refusing(self._net), torch.no_grad():
            for rows, u in zip(J.split(ROWS_AT_ONCE), units.split(ROWS_AT_ONCE), strict=True):
                rows.copy_(vmap(lambda u: self._pull(u)[0])(u))
        return J

    @cached_property
    def _push(self) -> Callable[[Tensor], tuple[Tensor, ...]]:
        return vjp(lambda u: self._pull(u)[0], self._zeros)[1]


def split(net: nn.Module, weights: Float[Tensor, " P"]) -> dict[str, Float[Tensor, "*shape"]]:
    """Splits one tensor that holds all trainable parameters into these, by name."""
    own = {name: p for name, p in net.named_parameters() if p.requires_grad}
    parts = weights.split([reals(p).numel() for p in own.values()])
    return {
        name: torch.view_as_complex(part.view(*p.shape, 2))
        if p.is_complex()
        else part.view(p.shape)
        for (name, p), part in zip(own.items(), parts, strict=True)
    }


def double(tensor: Tensor) -> Tensor:
    """Returns a tensor of floating-point numbers in double precision, any other as it is."""
    values = tensor.detach()
    if values.is_complex():
        return values.to(torch.complex128)
    return values.double() if values.is_floating_point() else values


def reals(tensor: Tensor) -> Tensor:
    """Returns the same numbers as real ones: a complex one is two of them."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


@contextmanager
def _refusing(net: nn.Module) -> Iterator[None]:
    try:
        yield
    except MnemoscopeError:
        raise
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise MnemoscopeError(
            f"a {type(net).__name__} that gives no derivative in its parameters: "
            f"{first_line(error)}",
            expected="a network that torch.func can differentiate, in float64",
            todo="train it with another optimizer, such as adam, and with finish='none'",
            field="net",
        ) from error
