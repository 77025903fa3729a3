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

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.nets import Network
from mnemoscope.nets.plain import plain_layers
from mnemoscope.training.networks import is_plain, trainable
from mnemoscope.training.parameter_linearization import RecordedLinearization, reals

KERNEL_SIZE = 3072
"""The largest `N` that a kernel is formed for: 72 MiB. Beyond, conjugate gradients are as fast."""

JACOBIAN_ENTRIES = 2**25
"""The most entries a Jacobian may have that a kernel is formed from: 256 MiB."""


def can_form_kernel(net: nn.Module, X: Float[Tensor, "n *shape"]) -> bool:
    """Decides whether the kernel, and the Jacobian where it needs one, keep within bounds."""
    if X.numel() > KERNEL_SIZE:
        return False
    entries = X.numel() * sum(reals(p).numel() for p in trainable(net))
    return is_plain(net) or entries <= JACOBIAN_ENTRIES


def tangent_kernel(net: nn.Module, X: Float[Tensor, "n *shape"]) -> Float[Tensor, "N N"]:
    """Computes `J J^T` in float64, layer by layer for a network as its fully connected spec says.

    Any other network must act on each state of a batch by itself, as every network does in eval
    mode. Its Jacobian is formed, example by example.
    """
    if isinstance(net, Network) and is_plain(net):
        return _by_layers(net, X)
    d, parameters = X[0].numel(), sum(reals(p).numel() for p in trainable(net))
    J = X.new_empty(X.numel(), parameters, dtype=torch.float64)
    for x, rows in zip(X, J.split(d), strict=True):
        rows.copy_(RecordedLinearization(net, x[None]).rows())
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
