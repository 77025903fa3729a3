"""Trainings and audits by keywords: of this checkout, and of an earlier one to compare with."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

import mnemoscope as mn


def train(net: nn.Module, X: Tensor, **options: Any) -> mn.Fit:
    """Calls `mn.train` with these training options."""
    if hasattr(mn, "TrainingOptions"):
        return mn.train(net, X, mn.TrainingOptions(**options))
    return mn.train(net, X, **_earlier(options))


def train_replicas(
    spec: mn.nets.Spec, X: Tensor, seeds: int | Iterable[int], **options: Any
) -> mn.Replicas:
    """Calls `mn.train_replicas` with these training options."""
    if hasattr(mn, "TrainingOptions"):
        return mn.train_replicas(spec, X, mn.TrainingOptions(**options), seeds=seeds)
    return mn.train_replicas(spec, X, seeds=seeds, **_earlier(options))


def audit(net: nn.Module, X: Tensor, **options: Any) -> object:
    """Calls `mn.audit` with these options, seed 0."""
    if hasattr(mn, "AuditOptions"):
        return mn.audit(net, X, mn.AuditOptions.of(**options), seed=0)
    return mn.audit(net, X, seed=0, **options)


def stored(net: nn.Module, X: Tensor) -> int:
    """Counts the examples that attract orbits from 0.001 away to within 0.01, by hand."""
    noise = torch.randn(X.shape, generator=torch.Generator().manual_seed(0))
    Z = X + 0.001 * noise
    with torch.no_grad():
        for _ in range(2000):
            Z = net(Z)
    return int(((Z - X).flatten(1).square().mean(1).sqrt() < 0.01).sum())


def _earlier(options: dict[str, Any]) -> dict[str, Any]:
    finish = options.pop("finish", "none")
    return {**options, **({} if finish == "none" else {"polish": True})}
