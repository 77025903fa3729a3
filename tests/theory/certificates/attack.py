"""Tries to refute a certificate in float64, with random starts, optimized starts and pairs."""

from copy import deepcopy

import torch

STARTS = 24
ASCENT_STEPS = 12
LOOKAHEAD = 4


def in_balls(certificate, generator):
    """Starts inside and on the edge of both sets: the Euclidean ball, and that of the norm."""
    d, c = certificate.center.numel(), certificate.center.flatten()
    V = torch.randn(STARTS, d, generator=generator, dtype=torch.float64)
    shrink = torch.rand(STARTS, 1, generator=generator, dtype=torch.float64) ** (1 / d)
    shrink[::2] = 1 - 1e-12
    euclidean = c + V / V.norm(dim=1, keepdim=True) * certificate.radius * shrink
    # The longest axes of the set, where it reaches furthest from the center.
    n = len(certificate.metric)
    U = torch.randn(STARTS, n, generator=generator, dtype=torch.float64)
    longest = U @ torch.linalg.pinv(certificate.metric).T
    longest = longest / (longest @ certificate.metric.T).norm(dim=1, keepdim=True)
    return euclidean, c + longest * certificate.metric_radius * shrink * (1 - 1e-9)


def sought(net, certificate, starts):
    """Starts in the Euclidean ball moved uphill: to where some steps lead furthest away."""
    c, shape = certificate.center.flatten(), certificate.center.shape
    x = starts.clone()
    for _ in range(ASCENT_STEPS):
        x.requires_grad_(True)
        y = x
        for _ in range(LOOKAHEAD):
            y = net(y.reshape(-1, *shape)).flatten(1)
        away = ((y - c) @ certificate.metric.T).norm(dim=1).sum()
        gradient = torch.autograd.grad(away, x)[0]
        length = gradient.norm(dim=1, keepdim=True).clamp_min(1e-300)
        x = x.detach() + certificate.radius * gradient / length
        V = x - c
        x = c + V / (V.norm(dim=1, keepdim=True) / certificate.radius).clamp_min(1) * (1 - 1e-12)
    return x


def attack(net, certificate, seed=0):
    """Fails if an orbit ends elsewhere, leaves the set, or two of them converge too slowly."""
    net = deepcopy(net).double()
    generator = torch.Generator().manual_seed(seed)
    shape, c = certificate.center.shape, certificate.center.flatten()
    euclidean, normed = in_balls(certificate, generator)
    x = torch.cat([euclidean, normed, sought(net, certificate, euclidean)])
    assert certificate.contains(x.reshape(-1, *shape)).sum() >= 0.9 * len(x)

    def length(V):
        return (V @ certificate.metric.T).norm(dim=1)

    # What float64 may round in a step, in the norm: far below the distances that are compared.
    rounding = 1e-12 * (1 + float(c.norm())) * float(certificate.metric.norm())
    steps = min(certificate.steps_to(max(1e-9, 2 * certificate.fixed_point_distance)), 100)
    with torch.no_grad():
        for _ in range(steps):
            y = net(x.reshape(-1, *shape)).flatten(1)
            assert bool((length(y - c) <= certificate.metric_radius + rounding).all())
            before, after = length(x - x.roll(1, 0)), length(y - y.roll(1, 0))
            assert bool((after <= certificate.rate * before + rounding).all())
            x = y
        start = certificate.metric_radius * 2 * certificate.to_state
        reached = start * certificate.rate ** (steps - certificate.delay)
        near = reached + 2 * certificate.fixed_point_distance + 1e-9
        assert bool(((x - c).norm(dim=1) <= near).all())
