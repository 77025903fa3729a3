"""Networks, states, and the whole Jacobian of a network in its parameters."""

import torch
from torch.func import functional_call, jacrev

import mnemoscope as mn


def states(*shape, n=3, dtype=torch.float64):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(1)).to(dtype)


def fully_connected(**changes):
    settings = {"shape": (2, 3), "width": 7, "depth": 3, "activation": "tanh"} | changes
    return mn.nets.FullyConnected(**settings).build(seed=0, dtype=torch.float64).eval()


def jacobian(net, X):
    """All of it, by autograd in float64, `(N, P)`."""
    own = {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}
    parts = jacrev(lambda p: functional_call(net, p, (X,)).flatten())(own)
    return torch.cat([part.flatten(1) for part in parts.values()], dim=1)
