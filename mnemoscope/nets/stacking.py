"""The stack of a spec: which of the two ways to compute R networks as one."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.convolutional import Convolutional
from mnemoscope.nets.fully_connected import FullyConnected
from mnemoscope.nets.fully_connected_stack import FullyConnectedStack
from mnemoscope.nets.grouped_stack import GroupedStack
from mnemoscope.nets.spec import Spec
from mnemoscope.nets.stack import Stack
from mnemoscope.nets.unet import UNet


def make_stack(spec: Spec, parameters: Sequence[Float[Tensor, "r *shape"]]) -> Stack:
    """R networks of a spec as one, with a copy of these parameters.

    Raises:
        MnemoscopeError: it is no spec of a network that can be stacked.
    """
    if isinstance(spec, FullyConnected):
        return FullyConnectedStack(spec, parameters)
    if isinstance(spec, Convolutional | UNet):
        return GroupedStack(spec, parameters)
    raise MnemoscopeError(
        f"a {type(spec).__name__} to build replicas from",
        expected="a spec: FullyConnected, Convolutional or UNet",
        todo="pass mn.nets.FullyConnected(shape=...), not a network",
    )
