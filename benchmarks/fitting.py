"""Trainings and audits by keywords: of this checkout, and of an earlier one to compare with."""

from collections.abc import Iterable
from typing import Any

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


def _earlier(options: dict[str, Any]) -> dict[str, Any]:
    finish = options.pop("finish", "none")
    return {**options, **({} if finish == "none" else {"polish": True})}
