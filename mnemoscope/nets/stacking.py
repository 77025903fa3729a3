"""The stack of a spec: fully connected networks by batched products, others by grouped channels."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.convolutional import Convolutional
from mnemoscope.nets.fully_connected import FullyConnected
from mnemoscope.nets.fully_connected_stack import FullyConnectedStack
from mnemoscope.nets.spec import Spec
from mnemoscope.nets.stack import Stack
from mnemoscope.nets.unet import UNet


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
