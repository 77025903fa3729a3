"""Groups of networks that are known, and of trained ones."""

from types import SimpleNamespace

import torch

import mnemoscope as mn
from mnemoscope.sweep.configuration import Measure
from mnemoscope.sweep.measurements import Trained


def affine(A, b):
    """One-layer networks `z -> A z + b`, one for each matrix and offset."""
    A, b = torch.as_tensor(A), torch.as_tensor(b)
    R = len(A)
    return mn.Replicas(
        spec=mn.nets.FullyConnected(shape=(A.shape[1],), depth=1, activation="identity"),
        fits=tuple(SimpleNamespace(record=None) for _ in range(R)),
        diverged=torch.zeros(R, dtype=torch.bool), seconds=0.0, parameters=(A, b),
    )  # fmt: skip


def contractions(*slopes_and_fixed_points, d=2):
    """`z -> a z + (1 - a) p`: `p` is fixed, the Jacobian is `a` times the identity."""
    A = torch.stack([a * torch.eye(d) for a, _ in slopes_and_fixed_points])
    b = torch.tensor([[(1 - a) * p] * d for a, p in slopes_and_fixed_points])
    return affine(A, b)


def group(replicas, X, held_out=None, seeds=None, first=None, **measure):
    """A group whose networks all have the same examples, or, with one more axis, their own."""
    R, axes = len(replicas), len(replicas.spec.shape) + 2
    X, held_out = (
        None if Z is None else Z.to(replicas.parameters[0]).expand(R, *Z.shape[1 - axes :])
        for Z in (X, held_out)
    )
    seeds = tuple(range(R)) if seeds is None else seeds
    first = tuple(r == 0 for r in range(R)) if first is None else first
    return Trained(replicas, X, held_out, seeds, first, Measure(**measure))
