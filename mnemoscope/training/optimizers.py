"""The optimizers, by name, and the learning rate each begins with."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.training.rescaled_lbfgs import RescaledLBFGS


@dataclass(frozen=True)
class OptimizerKind:
    """One kind of optimizer.

    Attributes:
        lr: The learning rate it begins with unless told otherwise; None: it has none.
        full_batch: Whether it compares losses of one and the same batch, so that it needs all of
            the examples in every step.
        decays: Whether it knows weight decay.
    """

    lr: float | None
    full_batch: bool = False
    decays: bool = True


OPTIMIZERS: dict[str, OptimizerKind] = {
    "adam": OptimizerKind(1e-3),
    "gradient_descent": OptimizerKind(0.1),
    "rmsprop": OptimizerKind(3e-4),
    "lbfgs": OptimizerKind(1.0, full_batch=True, decays=False),
    "gauss_newton": OptimizerKind(None, full_batch=True, decays=False),
}
"""Adam (AdamW with weight decay), gradient descent with momentum, RMSprop, L-BFGS, and
Levenberg-Marquardt in function space."""


def _adam(parameters: list[Tensor], lr: float, momentum: float, decay: float) -> Optimizer:
    kind = AdamW if decay else Adam
    return kind(parameters, lr=lr, weight_decay=decay, fused=_fused(parameters))


def _gradient_descent(
    parameters: list[Tensor], lr: float, momentum: float, decay: float
) -> Optimizer:
    fused = _fused(parameters)
    return SGD(parameters, lr=lr, momentum=momentum, weight_decay=decay, fused=fused)


def _fused(parameters: list[Tensor]) -> bool:
    """Whether PyTorch's fused kernels take them: they know real numbers only."""
    return all(parameter.is_floating_point() for parameter in parameters)


def _rmsprop(parameters: list[Tensor], lr: float, momentum: float, decay: float) -> Optimizer:
    return RMSprop(parameters, lr=lr, weight_decay=decay, foreach=True)


def _lbfgs(parameters: list[Tensor], lr: float, momentum: float, decay: float) -> Optimizer:
    return RescaledLBFGS(
        parameters,
        lr=lr,
        history_size=50,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )


_MAKERS: dict[str, Callable[[list[Tensor], float, float, float], Optimizer]] = {
    "adam": _adam,
    "gradient_descent": _gradient_descent,
    "rmsprop": _rmsprop,
    "lbfgs": _lbfgs,
}


def make_optimizer(
    name: str, parameters: list[Tensor], *, lr: float, momentum: float, weight_decay: float
) -> Optimizer:
    """Makes PyTorch's optimizer, or one built on it, of any kind but `gauss_newton`."""
    return _MAKERS[name](parameters, lr, momentum, weight_decay)


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
