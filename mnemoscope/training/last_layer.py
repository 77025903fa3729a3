"""The last layer of a network by least squares: the smallest update that removes its residual.

Let `a_i` be the activations that enter a linear last layer `W a + b` at example `i`, and
`r_i = y_i - f(x_i)`. With the rows `(a_i, 1)` in `A` and `r_i` in `R`, the update `D` of `[W, b]`
leaves the residual `R - A D^T`. Along the ridge path

    D(lambda)^T = sum_k  s_k / (s_k^2 + lambda)  v_k u_k^T R,      A = sum_k s_k u_k v_k^T

both `||D||` and the residual are monotone in `lambda` (Hoerl and Kennard 1970), so the largest
`lambda` at which the loss is small enough gives the smallest of all updates that reach it: the
ridge path minimizes `||D||` for a given residual. `lambda = 0` is the least-squares update of
minimum norm. It interpolates where the rows of `A` are independent, so where `n` is at most the
width (+ 1 with a bias). In a convolution the rows are the patches of all positions, `n h w` of them
with `c k^2 + 1` columns, so it interpolates only few and small pictures.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mnemoscope.nets.modules import eval_mode

MOST_COLUMNS = 8192
"""The most columns of `A`, `p`; its triangular factor then has 512 MiB."""

BATCH = 64
"""Examples evaluated at once."""

ROWS = 8192
"""Rows of `A` that are factored at once."""

SECTIONS, ROUNDS = 64, 10
"""Parts of a range of `log lambda` that are compared at once, and how often the range is narrowed
to one of them: to `64^-10`, the rounding of float64."""


@dataclass(frozen=True)
class LastLayer:
    """A linear last layer and what enters it.

    Attributes:
        layer: The module; its output is the network's, up to the shape.
        scale: The factor of its inputs: 1 but in the NTK parameterization.
        shape: The shape of its output for one state.
    """

    layer: nn.Linear | nn.Conv2d
    scale: float
    shape: torch.Size

    def rows(self, inputs: Tensor) -> Float[Tensor, "m p"]:
        """Returns the rows of `A` for a batch of inputs, in float64."""
        a = self.scale * inputs.double()
        if isinstance(self.layer, nn.Conv2d):
            layer = self.layer
            mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
            a = functional.pad(a, layer._reversed_padding_repeated_twice, mode=mode)
            size, dilation, stride = layer.kernel_size, layer.dilation, layer.stride
            a = functional.unfold(a, size, dilation=dilation, stride=stride).mT
        a = a.flatten(0, -2)
        return a if self.layer.bias is None else functional.pad(a, (0, 1), value=1.0)

    def targets(self, residual: Tensor) -> Float[Tensor, "m c"]:
        """Returns a residual of the layer's outputs as the rows that belong to `rows`."""
        if isinstance(self.layer, nn.Conv2d):
            residual = residual.flatten(2).mT
        return residual.flatten(0, -2)

    def outputs(self, states: Tensor) -> Tensor:
        """Returns values of the network's shape in the shape of the layer's outputs."""
        return states.reshape(len(states), *self.shape)

    def from_targets(self, rows: Float[Tensor, "m c"], shape: torch.Size) -> Tensor:
        """Returns what `targets` was made of, in the network's shape."""
        if isinstance(self.layer, nn.Conv2d):
            channels = self.shape[0]
            rows = rows.reshape(shape[0], -1, channels).mT
        return rows.reshape(shape)

    def explains(self, inputs: Tensor, outputs: Tensor) -> bool:
        """Decides whether `[W, b]` maps the rows to the outputs; a subclass may do otherwise."""
        if self.layer.weight[0].numel() + (self.layer.bias is not None) > MOST_COLUMNS:
            return False
        weights = self.layer.weight.detach().double().flatten(1)
        if self.layer.bias is not None:
            weights = torch.cat([weights, self.layer.bias.detach().double()[:, None]], 1)
        rows, values = self.rows(inputs), self.targets(outputs.double())
        # A sum of p products, rounded in the network's dtype.
        rounding = torch.finfo(outputs.dtype).eps * weights.shape[1] ** 0.5
        allowed = 4 * rounding * (rows.abs() @ weights.abs().mT)
        return bool(((rows @ weights.mT - values).abs() <= allowed).all())

    @torch.no_grad()
    def add(self, update: Float[Tensor, "p c"]) -> None:
        """Adds an update, rounded once to the dtype of the parameters."""
        weight, bias = self.layer.weight, self.layer.bias
        if bias is not None:
            update, last = update[:-1], update[-1]
            bias.copy_(bias.double() + last)
        weight.copy_(weight.double() + update.mT.reshape(weight.shape))

    def norm(self) -> float:
        """Returns the Euclidean norm of its parameters."""
        parts = [p.detach().double().norm() for p in self.layer.parameters()]
        return math.hypot(*map(float, parts))


def find_last_layer(net: nn.Module, X: Float[Tensor, "n *shape"]) -> LastLayer | None:
    """Finds the linear layer whose output is the network's; None if there is no such layer.

    It is a `Linear` or `Conv2d` that is called once, with trainable parameters of its own and at
    most `MOST_COLUMNS` inputs, and whose output at an example equals the network's, entry by entry.
    """
    layers = [module for module in net.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    whole, passed = _passing(net, layers, X[:1])
    for layer in reversed(layers):
        if not _is_free(net, layer) or len(passed.get(layer, [])) != 1:
            continue
        inputs, outputs = passed[layer][0]
        if not torch.equal(outputs.flatten(), whole.flatten()):
            continue
        last = LastLayer(layer, float(getattr(layer, "scale", 1.0)), outputs.shape[1:])
        return last if last.explains(inputs, outputs) else None
    return None


def _is_free(net: nn.Module, layer: nn.Linear | nn.Conv2d) -> bool:
    """Decides whether a layer's parameters are plain, trainable, and used nowhere else."""
    if isinstance(layer, nn.Conv2d) and layer.groups != 1:
        return False
    if not isinstance(layer._parameters.get("weight"), nn.Parameter):
        return False
    own = list(layer.parameters(recurse=False))
    shared = sum(p is q for p in own for _, q in net.named_parameters(remove_duplicate=False))
    return shared == len(own) and all(p.requires_grad and p.is_floating_point() for p in own)


@dataclass(frozen=True)
class RidgePath:
    """The updates `D(lambda)` of a last layer.

    Attributes:
        s: `(q,)`, the singular values of `A` that exceed the rounding of the largest.
        V: `(p, q)`, its right singular vectors.
        projected: `(q, c)`, `u_k^T R`.
        beyond: `||R||^2` outside the range of `A`, which no update removes.
    """

    s: Float[Tensor, " q"]
    V: Float[Tensor, "p q"]
    projected: Float[Tensor, "q c"]
    beyond: float

    def update(self, damping: float) -> Float[Tensor, "p c"]:
        """Returns `D(damping)^T`."""
        return self.V @ ((self.s / (self.s**2 + damping))[:, None] * self.projected)

    def rest(self, damping: float) -> float:
        """Returns the square of the residual that `D(damping)` leaves."""
        return float(self._rests(self.s.new_tensor([damping])))

    def largest_damping(self, rest: float) -> float:
        """Returns the largest `lambda` that leaves at most this; 0 where none does."""
        if len(self.s) == 0 or self.rest(0.0) > rest:
            return 0.0
        low = math.log(float(self.s[-1]) ** 2) - math.log(1e30)
        high = math.log(float(self.s[0]) ** 2) + math.log(1e30)
        for _ in range(ROUNDS):
            edges = torch.linspace(low, high, SECTIONS + 1, dtype=torch.float64)
            enough = self._rests(edges.exp().to(self.s)) <= rest
            # What is left grows with the damping, so that these are the first edges.
            at = max(1, int(enough.sum())) - 1
            low, high = float(edges[at]), float(edges[min(at + 1, SECTIONS)])
        damping = math.exp(low)
        return damping if self.rest(damping) <= rest else 0.0

    def _rests(self, damping: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        """Returns the square of the residual that each damping leaves."""
        left = damping[:, None] / (self.s**2 + damping[:, None])
        return self.beyond + left.square() @ self.projected.square().sum(1)


@torch.no_grad()
def ridge_path(
    net: nn.Module,
    last: LastLayer,
    X: Float[Tensor, "n *shape"],
    Y: Float[Tensor, "n *shape"],
) -> RidgePath:
    """Factors the last layer's least-squares problem.

    `A` is reduced to a triangular factor a block of rows at a time, so that memory is bounded by
    the block, the factor and one batch of the network: `8 p (2 p + ROWS)` bytes and the batch.
    """
    factor, target, beyond = None, None, 0.0
    for x, y in zip(X.split(BATCH), Y.split(BATCH), strict=True):
        inputs, outputs = _passing(net, [last.layer], x)[1][last.layer][0]
        rows = last.rows(inputs)
        residual = last.targets(last.outputs(y.double()) - outputs.double())
        for a, r in zip(rows.split(ROWS), residual.split(ROWS), strict=True):
            a = a if factor is None else torch.cat([factor, a])
            r = r if target is None else torch.cat([target, r])
            factor, target = a, r
            if len(a) > a.shape[1]:
                Q, factor = torch.linalg.qr(a)
                target = Q.mT @ r
                beyond += float((r - Q @ target).square().sum())
    assert factor is not None
    assert target is not None
    U, s, Vh = torch.linalg.svd(factor, full_matrices=False)
    kept = s > torch.finfo(s.dtype).eps * max(factor.shape) * s[0]
    U, s, V = U[:, kept], s[kept], Vh.mT[:, kept]
    projected = U.mT @ target
    # Not as a difference of squares, which would lose half of the digits.
    beyond += float((target - U @ projected).square().sum())
    return RidgePath(s, V, projected, beyond)


@torch.no_grad()
def last_rows(
    net: nn.Module, last: LastLayer, X: Float[Tensor, "n *shape"]
) -> Float[Tensor, "m p"]:
    """Returns the rows that enter the last layer at all examples, `A`."""
    parts = (_passing(net, [last.layer], x)[1][last.layer][0][0] for x in X.split(BATCH))
    return torch.cat([last.rows(inputs) for inputs in parts])


Passed = dict[nn.Module, list[tuple[Tensor, Tensor]]]
"""What entered and what left a layer, each time that it was called."""


@torch.no_grad()
def _passing(net: nn.Module, layers: Iterable[nn.Module], x: Tensor) -> tuple[Tensor, Passed]:
    """Returns the network's output, and what enters and leaves some of its layers."""
    passed: Passed = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # Copies: a layer that follows may work in place.
        passed.setdefault(module, []).append((inputs[0].clone(), output.clone()))

    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with eval_mode(net):
            return net(x), passed
    finally:
        for hook in hooks:
            hook.remove()
