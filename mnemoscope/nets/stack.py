"""R networks of one spec computed as one: a parameter tensor has a row for each network.

Products with R weight matrices are one batched product, R convolutions one with R groups. So the
overhead of a step is paid once, not R times.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.activations import activation_function, activation_into, activation_pullback
from mnemoscope.nets.convolutional import Convolutional
from mnemoscope.nets.fully_connected import FullyConnected
from mnemoscope.nets.initialization import initialize
from mnemoscope.nets.layout import Layout
from mnemoscope.nets.spec import Network, Spec
from mnemoscope.nets.unet import UNet


class Stack(ABC):
    """R networks of one spec.

    Attributes:
        spec: The spec of each network.
        layout: Where each parameter lies in the flat tensors.
        values: All parameters, flat.
        gradient: The gradient that `pull` found last, in the same layout.
        parameters: `(R, *shape)` each, parts of `values`, in the order of a network's own.
        gradients: The parts of `gradient`, one for each parameter.
    """

    def __init__(self, spec: Spec, parameters: Sequence[Float[Tensor, "r *shape"]]) -> None:
        """Takes a copy of the parameters."""
        self.spec = spec
        self.layout = Layout.of(parameters)
        self.values = self.layout.join([values.detach() for values in parameters])
        self.gradient = torch.zeros_like(self.values)
        self.parameters = self.layout.views(self.values)
        self.gradients = self.layout.views(self.gradient)

    def __len__(self) -> int:
        return len(self.parameters[0])

    @abstractmethod
    def forward(self, Z: Float[Tensor, "r n *shape"]) -> Float[Tensor, "r n *shape"]:
        """Evaluates every network at its own batch of states; builds no graph."""

    @abstractmethod
    def pull(
        self, X: Float[Tensor, "r n *shape"], Y: Float[Tensor, "r n *shape"]
    ) -> Float[Tensor, "r n *shape"]:
        """Leaves in `gradient` that of each network's mean squared error; returns `f(X) - Y`.

        The next call overwrites the returned tensor.
        """


class FullyConnectedStack(Stack):
    """R fully connected networks: batched matrix products, and their gradient written out.

    With `a_0 = x`, `z_l = s_l W_l a_(l-1) + b_l` and `a_l = phi_l(z_l)` the covectors of the mean
    squared error `E` over `n d` entries are `u_L = 2 (a_L - y) / (n d) * phi_L'(z_L)` and
    `u_(l-1) = s_l W_l^T u_l * phi_(l-1)'(z_(l-1))`; the gradients are `dE/dW_l = s_l u_l a_(l-1)^T`
    and `dE/db_l = u_l`, summed over the examples (Rumelhart, Hinton, Williams 1986). `s_l` is 1
    but in the NTK parameterization.

    Written out, a step is three products a layer and little else that takes time; as a graph it
    costs several times as much at the sizes of interest.
    """

    def __init__(
        self, spec: FullyConnected, parameters: Sequence[Float[Tensor, "r *shape"]]
    ) -> None:
        """Takes a copy of the parameters."""
        super().__init__(spec, parameters)
        step = 2 if spec.bias else 1
        self._weights, self._weight_gradients = self.parameters[::step], self.gradients[::step]
        none: list[None] = [None] * spec.depth
        self._biases = [b[:, None] for b in self.parameters[1::2]] if spec.bias else none
        self._bias_gradients = self.gradients[1::2] if spec.bias else none
        self._scales = _layer_scales(spec)
        names = [spec.activation] * (spec.depth - 1) + [spec.last_activation]
        self._functions = [activation_function(name) for name in names]
        self._into = [activation_into(name) for name in names]
        self._pullbacks = [activation_pullback(name) for name in names]
        self._transposed = [W.mT for W in self._weights]
        self._passes: dict[int, _Pass] = {}

    @torch.no_grad()
    def forward(self, Z: Float[Tensor, "r n *shape"]) -> Float[Tensor, "r n *shape"]:
        """Evaluates every network at its own batch of states; builds no graph."""
        a = Z.flatten(2)
        for i, function in enumerate(self._functions):
            a = function(self._affine(i, a, None))
        return a.reshape(Z.shape)

    @torch.no_grad()
    def pull(
        self, X: Float[Tensor, "r n *shape"], Y: Float[Tensor, "r n *shape"]
    ) -> Float[Tensor, "r n *shape"]:
        """Leaves in `gradient` that of each network's mean squared error; returns `f(X) - Y`.

        The next call overwrites the returned tensor.
        """
        n = X.shape[1]
        if n not in self._passes:
            self._passes[n] = _Pass(self._weights, n)
        way = self._passes[n]
        a, inputs = X.flatten(2), []
        for i, into in enumerate(self._into):
            inputs.append(a)
            z = self._affine(i, a, way.z[i])
            a = into(z, way.a[i])
        inputs.append(a)
        error = torch.sub(a, Y.flatten(2), out=way.error)
        torch.mul(error, way.slope, out=way.u[-1])
        for i in reversed(range(len(self._weights))):
            u, bias = way.u[i], self._bias_gradients[i]
            self._pullbacks[i](u, way.z[i], inputs[i + 1])
            _product(way.uT[i], inputs[i], self._scales[i], self._weight_gradients[i])
            if bias is not None:
                torch.sum(u, 1, out=bias)
            if i:
                _product(u, self._weights[i], self._scales[i], way.u[i - 1])
        return error.view(X.shape)

    @torch.no_grad()
    def cores(self, Z: Float[Tensor, "r n *shape"]) -> Float[Tensor, "r n m m"]:
        """Returns a matrix with the eigenvalues of the Jacobian at each state, but for zeros.

        `J = F_L ... F_1` with `F_l = D_l s_l W_l` and the slopes `D_l`. What is not zero among its
        eigenvalues is the same for `F_k ... F_1 F_L ... F_(k+1)`, whatever `k` is (the eigenvalues
        of `A B` and `B A` agree but for zeros). Here `k` is the layer with the fewest units, or the
        state itself, and the matrix is the transpose of that product. Memory: `n m` entries a
        network for each unit of the widest layer, twice.
        """
        a, slopes = Z.flatten(2), []
        for i, function in enumerate(self._functions):
            z = self._affine(i, a, None)
            a = function(z)
            slope = torch.full_like(z, self._scales[i])
            slopes.append(self._pullbacks[i](slope, z, a)[:, :, None])
        sizes = [W.shape[2] for W in self._weights]
        first = sizes.index(min(sizes))
        core = self._transposed[first][:, None] * slopes[first]
        for i in [*range(first + 1, len(sizes)), *range(first)]:
            image = core.flatten(1, 2) @ self._transposed[i]
            core = image.view(*core.shape[:3], -1).mul_(slopes[i])
        return core

    def _affine(self, layer: int, a: Tensor, out: Tensor | None) -> Tensor:
        bias, scale, W = self._biases[layer], self._scales[layer], self._transposed[layer]
        if bias is None:
            return _product(a, W, scale, out)
        if scale == 1:
            return torch.baddbmm(bias, a, W, out=out)
        return torch.baddbmm(bias, a, W, alpha=scale, out=out)


class _Pass:
    """The memory of a pass over `n` examples of each network, allocated once.

    Attributes:
        z: `(r, n, width)` for each layer, before its activation.
        a: `(r, n, width)` for each layer, after its activation.
        u: `(r, n, width)` for each layer, covectors.
        uT: `(r, width, n)`, the same memory.
        error: `(r, n, d)`, outputs less targets.
        slope: Factor of the error in the gradient of the mean square.
    """

    def __init__(self, weights: list[Tensor], n: int) -> None:
        self.z = [W.new_empty(len(W), n, W.shape[1]) for W in weights]
        self.a = [torch.empty_like(z) for z in self.z]
        self.u = [torch.empty_like(z) for z in self.z]
        self.uT = [u.mT for u in self.u]
        self.error = torch.empty_like(self.z[-1])
        self.slope = self.error.new_tensor(2 / self.error[0].numel())


@lru_cache
def _layer_scales(spec: FullyConnected) -> list[float]:
    layers = [m for m in spec.skeleton() if isinstance(m, nn.Linear)]
    return [float(getattr(layer, "scale", 1.0)) for layer in layers]


def _product(A: Tensor, B: Tensor, scale: float, out: Tensor | None) -> Tensor:
    product = torch.bmm(A, B, out=out)
    return product if scale == 1 else product.mul_(scale)


class GroupedStack(Stack):
    """R convolutional networks or U-Nets of one spec; the gradient is PyTorch's."""

    def __init__(
        self, spec: Convolutional | UNet, parameters: Sequence[Float[Tensor, "r *shape"]]
    ) -> None:
        """Takes a copy of the parameters."""
        super().__init__(spec, parameters)
        self._body = spec.skeleton(replicas=len(self))
        self._leaves = [nn.Parameter(values.flatten(0, 1)) for values in self.parameters]
        leaves = iter(self._leaves)
        for module in self._body.modules():
            for name, own in module.named_parameters(recurse=False):
                if own is not None:
                    setattr(module, name, next(leaves))

    @torch.no_grad()
    def forward(self, Z: Float[Tensor, "r n *shape"]) -> Float[Tensor, "r n *shape"]:
        """Returns every network at its own batch of states; builds no graph."""
        return self._apply(Z)

    @torch.enable_grad()
    def pull(
        self, X: Float[Tensor, "r n *shape"], Y: Float[Tensor, "r n *shape"]
    ) -> Float[Tensor, "r n *shape"]:
        """Leaves in `gradient` that of each network's mean squared error; returns `f(X) - Y`."""
        error = self._apply(X) - Y
        loss = error.square().sum() / error[0].numel()
        found = torch.autograd.grad(loss, self._leaves)
        for gradient, own in zip(found, self.gradients, strict=True):
            own.copy_(gradient.view_as(own))
        return error.detach()

    def _apply(self, Z: Tensor) -> Tensor:
        side_by_side = Z.transpose(0, 1).flatten(1, 2)
        return self._body(side_by_side).unflatten(1, (len(self), -1)).transpose(0, 1)


def make_stack(spec: Spec, parameters: Sequence[Float[Tensor, "r *shape"]]) -> Stack:
    """Builds R networks of a spec as one, with a copy of these parameters."""
    if isinstance(spec, FullyConnected):
        return FullyConnectedStack(spec, parameters)
    if isinstance(spec, Convolutional | UNet):
        return GroupedStack(spec, parameters)
    raise MnemoscopeError(
        f"a {type(spec).__name__} to build replicas from",
        expected="a spec: FullyConnected, Convolutional or UNet",
        todo="pass mn.nets.FullyConnected(shape=...), not a network",
        field="spec",
    )


def network_from(spec: Spec, parameters: Sequence[Float[Tensor, "*shape"]]) -> Network:
    """Builds the network of a spec with a copy of these parameters, dtype and device included."""
    like = parameters[0]
    network = spec.allocate(like.device).to(like.dtype)
    with torch.no_grad():
        for own, given in zip(network.parameters(), parameters, strict=True):
            own.copy_(given)
    return network


def drawn_parameters(
    spec: Spec,
    seeds: Sequence[int],
    *,
    scales: Sequence[float],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> list[Float[Tensor, "r *shape"]]:
    """Draws the parameters that `spec.build` draws for each seed, scales and stacks them."""
    model = spec.build(seed=seeds[0])
    own = [parameter.detach() for parameter in model.parameters()]
    stacked = [p.new_empty(len(seeds), *p.shape, dtype=dtype) for p in own]
    for row, (seed, scale) in enumerate(zip(seeds, scales, strict=True)):
        initialize(model, init=spec.init, activation=spec.activation, seed=seed)
        for values, parameter in zip(stacked, own, strict=True):
            values[row] = parameter if scale == 1 else scale * parameter
    return [values.to(device) for values in stacked]
