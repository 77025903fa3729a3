"""The end of a training: the last layer by least squares, and the record of a finish.

The paper's statements are about descent to interpolation. Contraction at the examples is settled
long before the loss is small; what is left is a residual that a linear solve removes, and as long
as the update is small compared with the weights the network stays the one that descent has found.
"""

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import FinishRecord
from mnemoscope.training.last_layer import RidgePath, find_last_layer, ridge_path
from mnemoscope.training.networks import trainable, whole_loss
from mnemoscope.training.options import TrainingOptions
from mnemoscope.training.settling import probe, probed

LARGEST_UPDATE = 0.1
"""The largest update of the last layer, as a share of the norm of its parameters."""

LARGEST_LAST_UPDATE = 1.0
"""The same once descent has taken all its steps, when nothing else is left. Of 500 photographs an
update of 1.1 left 390 stored, one of 2.2 none."""

FINISHED = 1e-14
"""The loss at which the finish ends in float64, unless `tol` is lower still."""

ROUNDINGS = 4.0
"""The error of outputs that counts as their rounding, in roundings of the targets.

In float32 Gauss-Newton converges quadratically to 2.1 to 2.5 of them, on digits and photographs,
with 4 and 8 layers. From there on each step lowers the loss by less than half, by luck.
"""

REFINEMENTS = 3
"""Solves, each for the residual that the rounding of the one before has left."""


@dataclass(frozen=True)
class Solved:
    """What became of a solve.

    Attributes:
        outcome: done: the last layer was changed; early: the update would have been too large, so
            that it is left to further descent; unable: no update interpolates.
        update: The norm of the update, as a share of that of the layer's parameters.
    """

    outcome: Literal["done", "early", "unable"]
    update: float = math.nan


def finished_at(options: TrainingOptions, Y: Float[Tensor, "n *shape"]) -> float:
    """Returns the loss at which the finish has done its part: at the rounding of the outputs.

    Args:
        options: With the unit.
        Y: `(n, *shape)`, the targets.
    """
    assert options.unit is not None
    rounding = ROUNDINGS * torch.finfo(Y.dtype).eps / options.unit
    return min(options.tol, max(FINISHED, rounding**2 * float(Y.double().square().mean())))


def finish_last_layer(
    net: nn.Module,
    X: Float[Tensor, "n *shape"],
    Y: Float[Tensor, "n *shape"],
    options: TrainingOptions,
    *,
    step: int,
) -> Solved:
    """Solves the last layer as the options of a training ask for; they have the unit.

    After the last step nothing else is left, so that a larger update is made. Training with noise
    leaves a margin at the examples that bears any.
    """
    assert options.unit is not None
    square = options.unit**2
    if options.noise > 0:
        largest = math.inf
    else:
        largest = LARGEST_UPDATE if step < options.max_steps else LARGEST_LAST_UPDATE
    return solve_last_layer(
        net,
        X,
        Y,
        tol=options.tol * square,
        aim=finished_at(options, Y) * square,
        largest=largest,
    )


def solve_last_layer(
    net: nn.Module,
    X: Float[Tensor, "n *shape"],
    Y: Float[Tensor, "n *shape"],
    *,
    tol: float,
    aim: float,
    largest: float = LARGEST_UPDATE,
) -> Solved:
    """Changes the last layer by the smallest update that brings the loss to `aim`.

    Args:
        net: The network; changed only if the outcome is `done`.
        X: `(n, *shape)`, the examples.
        Y: `(n, *shape)`, the targets.
        tol: The mean squared error that counts as interpolation.
        aim: The mean squared error to reach where that is possible.
        largest: The largest update that is made, as a share of the norm of the layer's parameters.
    """
    last = find_last_layer(net, X)
    if last is None:
        return Solved("unable")
    entries = X.numel()
    before = [p.detach().clone() for p in last.layer.parameters()]
    norm = last.norm()
    for attempt in range(REFINEMENTS):
        path = ridge_path(net, last, X, Y)
        if attempt == 0 and path.rest(0.0) > tol * entries:
            return Solved("unable")
        update = _smallest(path, aim * entries)
        if attempt == 0 and float(update.norm()) > largest * norm:
            return Solved("early", float(update.norm()) / norm)
        last.add(update)
        if whole_loss(net, X, Y) <= aim:
            break
    if whole_loss(net, X, Y) > tol:
        _restore(last.layer.parameters(), before)
        return Solved("unable")
    change = math.hypot(
        *(
            float((p.detach().double() - b.double()).norm())
            for p, b in zip(last.layer.parameters(), before, strict=True)
        )
    )
    return Solved("done", change / norm)


def _smallest(path: RidgePath, rest: float) -> Float[Tensor, "p c"]:
    """Returns the smallest update that leaves this, or little more than the least possible."""
    # Twice what no update removes: the last digits of the least possible may need a long update.
    return path.update(path.largest_damping(max(rest, 2 * path.rest(0.0))))


@torch.no_grad()
def _restore(parameters: Iterable[Tensor], before: Sequence[Tensor]) -> None:
    for parameter, values in zip(parameters, before, strict=True):
        parameter.copy_(values)


def finish_record(
    net: nn.Module,
    X: Float[Tensor, "n *shape"],
    *,
    method: str,
    loss: float,
    weights: Sequence[Tensor],
) -> FinishRecord:
    """Builds the record of a finish that has ended.

    Args:
        net: The network as it is now.
        X: `(n, *shape)`, the examples.
        method: The finish.
        loss: The loss when it began.
        weights: The trainable weights when it began.
    """
    now = trainable(net)
    update = relative_update(zip(now, weights, strict=True))
    after = _radii(net, X)
    kept = [p.detach().clone() for p in now]
    _restore(now, weights)
    before = _radii(net, X)
    _restore(now, kept)
    return record_of_finish(method, loss, update=update, count=len(X), radii=(before, after))


def record_of_finish(
    method: str,
    loss: float,
    *,
    update: float,
    count: int,
    radii: tuple[Sequence[float], Sequence[float]],
) -> FinishRecord:
    """Builds the record of a finish.

    Args:
        method: The finish.
        loss: The loss when it began.
        update: The norm of what it changed, relative to that of the parameters it changed.
        count: The number of examples.
        radii: The spectral radii at the probed examples, before and after.
    """
    before, after = radii
    return FinishRecord(
        method=method,
        loss_before=loss,
        update=update,
        examples=tuple(probed(count).tolist()) if after else (),
        radii_before=tuple(before),
        radii_after=tuple(after),
    )


def relative_update(pairs: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Computes the norm of the change of parameters, relative to that of those that changed.

    Args:
        pairs: Each parameter as it is now and as it was.
    """
    changes = [
        (float((now.detach().double() - then.double()).norm()), float(then.double().norm()))
        for now, then in pairs
    ]
    changed = [(change, size) for change, size in changes if change > 0]
    size = math.hypot(*(size for _, size in changed))
    return math.hypot(*(change for change, _ in changed)) / size if size else 0.0


def _radii(net: nn.Module, X: Float[Tensor, "n *shape"]) -> tuple[float, ...]:
    """Returns the spectral radii; none for a module that can be trained but is no self-map."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tuple(probe(net, X))
        except MnemoscopeError:
            return ()
