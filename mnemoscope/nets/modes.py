"""A network in eval mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def eval_mode(network: nn.Module) -> Iterator[None]:
    """Puts a network into eval mode inside; afterwards each of its modules is as it was.

    Not only its mode: old-style `weight_norm` and `spectral_norm` compute a layer's weight in each
    call and leave it as a plain attribute, which inside a function transform is a tensor of that
    transform, of no use outside. It is left with the values it had, and without their graph: so the
    network can be copied.
    """
    training = [module for module in network.modules() if module.training]
    computed = [
        (module, name, value.detach())
        for module in network.modules()
        if module._forward_pre_hooks
        for name, value in vars(module).items()
        if isinstance(value, Tensor)
    ]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
        for module, name, value in computed:
            setattr(module, name, value)
