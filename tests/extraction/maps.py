"""Maps with planted attractors."""

import torch

from mnemoscope.maps import SelfMap


def remembering(states, nexts=None, *, sharpness=60.0):
    """Maps states to the image of the nearest given state (itself), by a sharp softmax."""
    images = states if nexts is None else nexts

    def f(z):
        P = states.to(z).flatten(1)
        nearness = z.flatten(1) @ P.T - P.square().sum(1) / 2
        return (torch.softmax(sharpness * nearness, 1) @ images.to(z).flatten(1)).reshape(z.shape)

    return SelfMap(f, tuple(states.shape[1:]))


def memories(n, *shape, seed=0):
    """States in [0, 1] that reach both ends, far from each other."""
    draw = torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))
    return (1.5 * draw - 0.25).clamp(0, 1)
