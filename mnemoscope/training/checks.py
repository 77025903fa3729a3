"""What a training is refused for, before its first step."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from mnemoscope.base.check import LARGEST_SEED, whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.training.optimizers import optimizer_kind
from mnemoscope.training.schedules import SCHEDULES


def check_data(X: Any, targets: Any) -> None:
    """Refuses examples that are no batch of states, and targets of another shape.

    Raises:
        MnemoscopeError: they are.
    """
    for name, values in (("examples", X), ("targets", targets)):
        if not isinstance(values, Tensor) and not (values is None and name == "targets"):
            raise MnemoscopeError(
                f"{name} that are a {type(values).__name__}",
                expected="a tensor (n, *shape)",
                todo="load them with mn.load_data, or use torch.as_tensor",
            )
    if X.ndim < 2 or X.numel() == 0:
        raise MnemoscopeError(
            f"examples of shape {tuple(X.shape)}",
            expected="a batch (n, *shape) of at least one",
            todo="pass one example as x[None]",
        )
    if targets is not None and targets.shape != X.shape:
        raise MnemoscopeError(
            f"targets of shape {tuple(targets.shape)} for examples of shape {tuple(X.shape)}",
            expected="a target for each example, of its shape",
            todo="for a sequence pass targets=X.roll(-1, 0)",
        )


def check_finite(X: Tensor, Y: Tensor) -> None:
    """Refuses NaN and infinity, and says where they are.

    Raises:
        MnemoscopeError: there are some.
    """
    for name, values in (("the examples", X), ("the targets", Y)):
        if not bool(torch.isfinite(values).all()):
            where = (~torch.isfinite(values)).nonzero()[0].tolist()
            raise MnemoscopeError(
                f"NaN or infinity in {name} at index {where}",
                expected=f"finite numbers within the range of {values.dtype}",
                todo="mend or leave out that example",
            )


def check_settings(
    *,
    tol: float,
    optimizer: str,
    lr: float | None,
    schedule: str,
    batch_size: int,
    max_steps: int,
    momentum: float,
    weight_decay: float,
    seed: int,
    examples: int,
) -> None:
    """Refuses settings that are out of range.

    Raises:
        MnemoscopeError: one is.
    """
    kind = optimizer_kind(optimizer)
    whole_number("max_steps", max_steps, least=1)
    whole_number("batch_size", batch_size, least=1, most=examples)
    whole_number("seed", seed, least=0, most=LARGEST_SEED)
    ranges = {
        f"tol={tol}": (0 < tol < math.inf, "a loss above 0"),
        f"lr={lr}": (lr is None or 0 < lr < math.inf, "a learning rate above 0"),
        f"schedule={schedule!r}": (schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
        f"momentum={momentum}": (0 <= momentum < 1, "at least 0 and below 1"),
        f"weight_decay={weight_decay}": (0 <= weight_decay < math.inf, "at least 0"),
        f"batch_size={batch_size} with {optimizer}": (
            not kind.full_batch or batch_size == examples,
            "the full batch, since it compares losses of one and the same",
        ),
        f"weight_decay={weight_decay} with {optimizer}": (
            kind.decays or not weight_decay,
            "no weight decay, since it has none",
        ),
        f"lr={lr} with {optimizer}": (
            kind.lr is not None or lr is None,
            "no learning rate, since it has none",
        ),
        f"schedule={schedule!r} with {optimizer}": (
            kind.lr is not None or schedule != "cosine",
            "no schedule, since it has no learning rate",
        ),
    }
    for given, (right, expected) in ranges.items():
        if not right:
            raise MnemoscopeError(given, expected=expected, todo="mend it or leave it out")


def trainable(net: nn.Module) -> list[nn.Parameter]:
    """The parameters that are to be trained.

    Raises:
        MnemoscopeError: there are none.
    """
    parameters = [p for p in net.parameters() if p.requires_grad]
    if not parameters:
        raise MnemoscopeError(
            f"a {type(net).__name__} without parameters to train",
            expected="a network with parameters that require gradients",
            todo="build one from a spec: mn.nets.FullyConnected(shape=...).build(seed=0)",
        )
    return parameters


def check_network(net: nn.Module, X: Tensor) -> None:
    """Refuses a network, in eval mode, whose output has not its input's shape.

    Raises:
        MnemoscopeError: it has not, is no tensor, or the network fails.
    """
    try:
        with torch.no_grad():
            output = net(X[:1])
    except MnemoscopeError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise MnemoscopeError(
            f"a {type(net).__name__} that fails on a batch of shape {tuple(X[:1].shape)}: "
            f"{type(error).__name__}: {reason}",
            expected="a network from batches (n, *shape) of the examples' shape to such batches",
            todo="reshape the examples, or build the network for their shape",
        ) from error
    if not isinstance(output, Tensor):
        raise MnemoscopeError(
            f"a network whose output is a {type(output).__name__}",
            expected="a tensor",
            todo="wrap it in a module that returns the reconstruction alone",
        )
    if output.shape != X[:1].shape:
        raise MnemoscopeError(
            f"a network from states {tuple(X.shape[1:])} to outputs {tuple(output.shape[1:])}",
            expected="an output of its input's shape",
            todo="give an autoencoder",
        )
