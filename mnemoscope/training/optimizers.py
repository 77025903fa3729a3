"""The optimizers, by name, and the learning rate each begins with."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer, RMSprop

from mnemoscope.errors import MnemoscopeError


@dataclass(frozen=True)
class OptimizerKind:
    """One kind of optimizer.

    Attributes:
        lr: The learning rate it begins with unless told otherwise.
        make: Makes it from parameters, learning rate, momentum and weight decay.
    """

    lr: float
    make: Callable[[list[Tensor], float, float, float], Optimizer]


def _adam(parameters: list[Tensor], lr: float, momentum: float, decay: float) -> Optimizer:
    kind = AdamW if decay else Adam
    return kind(parameters, lr=lr, weight_decay=decay, fused=True)


def _gradient_descent(
    parameters: list[Tensor], lr: float, momentum: float, decay: float
) -> Optimizer:
    return SGD(parameters, lr=lr, momentum=momentum, weight_decay=decay, fused=True)


def _rmsprop(parameters: list[Tensor], lr: float, momentum: float, decay: float) -> Optimizer:
    return RMSprop(parameters, lr=lr, weight_decay=decay, foreach=True)


def _lbfgs(parameters: list[Tensor], lr: float, momentum: float, decay: float) -> Optimizer:
    return LBFGS(
        parameters,
        lr=lr,
        max_iter=LBFGS_ITERATIONS,
        history_size=50,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )


LBFGS_ITERATIONS = 10
"""Iterations of L-BFGS between two looks at the loss; each counts as a step."""

OPTIMIZERS: dict[str, OptimizerKind] = {
    "adam": OptimizerKind(1e-3, _adam),
    "gradient_descent": OptimizerKind(0.1, _gradient_descent),
    "rmsprop": OptimizerKind(3e-4, _rmsprop),
    "lbfgs": OptimizerKind(1.0, _lbfgs),
}
"""Adam (AdamW with weight decay), gradient descent with momentum, RMSprop, L-BFGS."""


def make_optimizer(
    name: str, parameters: list[Tensor], *, lr: float, momentum: float, weight_decay: float
) -> Optimizer:
    """Makes an optimizer of a kind in `OPTIMIZERS`."""
    return OPTIMIZERS[name].make(parameters, lr, momentum, weight_decay)


def optimizer_kind(name: str) -> OptimizerKind:
    """The kind of this name.

    Raises:
        MnemoscopeError: there is none.
    """
    if name not in OPTIMIZERS:
        raise MnemoscopeError(
            f"optimizer={name!r}",
            expected=f"one of {', '.join(OPTIMIZERS)}",
            todo="choose one of these",
        )
    return OPTIMIZERS[name]


def set_rate(optimizer: Optimizer, lr: float) -> None:
    """Sets the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def steps_taken(optimizer: Optimizer) -> int:
    """Steps of the last call of `optimizer.step`, all told: L-BFGS counts its iterations."""
    if isinstance(optimizer, LBFGS):
        state = next(iter(optimizer.state.values()))
        return int(torch.as_tensor(state["n_iter"]))
    return 0
