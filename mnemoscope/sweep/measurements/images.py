"""The images of states under every network of a group, computed in blocks that fit."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.memory import batch_size_within
from mnemoscope.maps.self_map import as_self_map
from mnemoscope.nets.stacking import make_stack
from mnemoscope.training import Replicas


def images(
    replicas: Replicas, Z: Float[Tensor, "r m *shape"]
) -> Iterator[tuple[Float[Tensor, "r b *shape"], Float[Tensor, "r b *shape"]]]:
    """Yields states and their images, block after block."""
    one_state = as_self_map(replicas[0]).footprint.evaluate
    size = batch_size_within(len(replicas) * one_state, device=Z.device, largest=Z.shape[1])
    stack = make_stack(replicas.spec, replicas.parameters)
    for states in Z.split(size, dim=1):
        yield states, stack.forward(states)
