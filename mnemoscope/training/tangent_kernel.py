"""The tangent kernel of a network at its examples, and the Jacobian that it is made of.

`f` are the network's outputs at all examples, `N = n d` entries, and `J = df/dp`, `(N, P)`, is
their Jacobian in the parameters that are to be trained. The tangent kernel is `J J^T`, `(N, N)`
(Jacot, Gabriel and Hongler 2018).

For a fully connected network it needs no `J`. Let `z_l = s_l W_l a_l + b_l` be layer `l` and
`Delta_l[i] = d f_i / d z_l`, where output entry `i` belongs to example `e(i)`. Then
`d f_i / d W_l` is the outer product of `Delta_l[i]` and `s_l a_l[e(i)]`, `d f_i / d b_l` is
`Delta_l[i]`, and the inner product of two outer products is the product of the inner products:

    J J^T = sum_l (Delta_l Delta_l^T) o (s_l^2 a_l a_l^T + 1)

with both factors of `o` (entry by entry) taken at the examples of their rows and columns, and
without the 1 where there is no bias. From the last layer back, `Delta_L = diag phi_L'(z_L)` and
`Delta_(l-1) = s_l Delta_l W_l o phi_(l-1)'(z_(l-1))`. `s_l` is 1 but in the NTK parameterization.

All of it is in float64, whatever the network's dtype: a step solves with `J J^T`, whose condition
number is the square of `J`'s, so that float32 would lose twice the digits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.nets import Network
from mnemoscope.nets.plain import plain_layers
from mnemoscope.training.networks import is_plain, trainable

KERNEL_SIZE = 3072
"""The largest `N` that a kernel is formed for: 72 MiB. Beyond, conjugate gradients are as fast."""

JACOBIAN_ENTRIES = 2**25
"""The most entries a Jacobian may have that a kernel is formed from: 256 MiB."""

ROWS_AT_ONCE = 64
"""Rows of a Jacobian that are computed together."""


class ParameterLinearization:
    """A network linearized in its trainable parameters, at a batch of states, in float64.

    Reverse mode gives `u -> J^T u`. That map is linear, so its own reverse mode is `v -> J v`, as
    in `mnemoscope.maps.Linearization`. Held: what one gradient of the whole batch holds, in
    float64; twice that once `push` was called.

    Attributes:
        weights: `(P,)`, the trainable parameters one after the other; of complex ones the real
            and imaginary parts.
    """

    def __init__(self, net: nn.Module, X: Float[Tensor, "n *shape"]) -> None:
        """Evaluates the network and keeps what its derivative needs."""
        self._net = net
        own = {name: p for name, p in net.named_parameters() if p.requires_grad}
        self.weights = torch.cat([_double(_reals(p)).flatten() for p in own.values()])
        fixed = {name: _double(p) for name, p in net.named_parameters() if name not in own}
        fixed.update((name, _double(buffer)) for name, buffer in net.named_buffers())

        def outputs(weights: Tensor) -> Tensor:
            return functional_call(net, fixed | split(net, weights), (X.double(),)).flatten()

        # The fused kernels of attention have no second derivative, which `push` needs.
        with _refusing(net), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            values, self._pull = vjp(outputs, self.weights)[:2]
            self._zeros = torch.zeros_like(values)

    @property
    def size(self) -> int:
        """The number of output entries, `N`."""
        return self._zeros.numel()

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
    parts = weights.split([_reals(p).numel() for p in own.values()])
    return {
        name: torch.view_as_complex(part.view(*p.shape, 2))
        if p.is_complex()
        else part.view(p.shape)
        for (name, p), part in zip(own.items(), parts, strict=True)
    }


def can_form_kernel(net: nn.Module, X: Float[Tensor, "n *shape"]) -> bool:
    """Decides whether the kernel, and the Jacobian where it needs one, keep within bounds."""
    if X.numel() > KERNEL_SIZE:
        return False
    entries = X.numel() * sum(_reals(p).numel() for p in trainable(net))
    return is_plain(net) or entries <= JACOBIAN_ENTRIES


def tangent_kernel(net: nn.Module, X: Float[Tensor, "n *shape"]) -> Float[Tensor, "N N"]:
    """Computes `J J^T` in float64, layer by layer for a network as its fully connected spec says.

    Any other network must act on each state of a batch by itself, as every network does in eval
    mode. Its Jacobian is formed, example by example.
    """
    if isinstance(net, Network) and is_plain(net):
        return _by_layers(net, X)
    d, parameters = X[0].numel(), sum(_reals(p).numel() for p in trainable(net))
    J = X.new_empty(X.numel(), parameters, dtype=torch.float64)
    for x, rows in zip(X, J.split(d), strict=True):
        rows.copy_(ParameterLinearization(net, x[None]).rows())
    return J @ J.mT


@torch.no_grad()
def _by_layers(net: Network, X: Float[Tensor, "n *shape"]) -> Float[Tensor, "N N"]:
    layers = plain_layers(net)
    assert layers is not None
    weights = [layer.scale * layer.weight.double() for layer in layers]
    a, inner, slopes = X.double().flatten(1), [], []
    for layer, W in zip(layers, weights, strict=True):
        bias = layer.bias
        inner.append(layer.scale**2 * (a @ a.mT) + (bias is not None))
        z = nn.functional.linear(a, W, None if bias is None else bias.double())
        a = layer.phi(z)
        slopes.append(layer.pullback(torch.ones_like(z), z, a))
    n, d = a.shape
    kernel = a.new_zeros(n, d, n, d)
    delta = torch.diag_embed(slopes[-1])
    for index in reversed(range(len(layers))):
        flat = delta.flatten(0, 1)
        kernel.addcmul_((flat @ flat.mT).view(n, d, n, d), inner[index][:, None, :, None])
        if index:
            delta = (delta @ weights[index]).mul_(slopes[index - 1][:, None])
    return kernel.view(n * d, n * d)


def _double(tensor: Tensor) -> Tensor:
    values = tensor.detach()
    if values.is_complex():
        return values.to(torch.complex128)
    return values.double() if values.is_floating_point() else values


def _reals(tensor: Tensor) -> Tensor:
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
