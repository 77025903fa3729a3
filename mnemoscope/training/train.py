"""`train`: one network, fitted to interpolation."""

import math
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer

from mnemoscope.errors import DivergenceError, MnemoscopeError
from mnemoscope.nets import HistoryRow, Network, TrainingRecord
from mnemoscope.provenance import checksum, versions
from mnemoscope.training.batches import epoch_batches
from mnemoscope.training.checkpoint import read_checkpoint, write_checkpoint
from mnemoscope.training.fit import Fit, Progress
from mnemoscope.training.interruption import deferred_interrupt
from mnemoscope.training.optimizers import (
    LBFGS_ITERATIONS,
    make_optimizer,
    optimizer_kind,
    set_rate,
)
from mnemoscope.training.schedules import SCHEDULES, Rate

ROUND = 10
"""Full-batch steps between two looks at the loss."""

CHECKPOINT_SECONDS = 20.0
"""Time between two checkpoints."""

GROWTH = 100.0
"""Training has diverged when the loss is this many times the first one."""

HISTORY_ROWS = 1000
"""When the history grows longer than this, every second row of it is dropped."""


def train(
    net: nn.Module,
    X: Float[Tensor, "n *shape"],
    *,
    targets: Float[Tensor, "n *shape"] | None = None,
    tol: float = 1e-8,
    optimizer: str = "adam",
    lr: float | None = None,
    schedule: str = "plateau",
    batch_size: int | None = None,
    max_steps: int = 100_000,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Fit:
    """Fits a network to reproduce its examples until it interpolates them.

    The training loss is the mean squared error over all entries of all examples, told of the
    network as it is at the end, in eval mode. Training stops when it is at most `tol`, or after
    `max_steps`. It is looked at after each pass over the mini-batches, or each 10 full-batch steps.

    Batch size, optimizer and rate are part of what decides which examples get stored; all of them
    are recorded, in `Fit.record` and, for a network built from a spec, in `net.training_record`.

    Args:
        net: The network; its weights are changed, its mode is left as it was.
        X: `(n, *shape)`, the examples.
        targets: `(n, *shape)`, what to map each example to; the example itself if left out. With
            the next example of a sequence, the sequence is stored as a cycle.
        tol: The loss that counts as interpolation.
        optimizer: `adam`, `gradient_descent` (with momentum), `rmsprop` or `lbfgs`.
        lr: Learning rate to begin with; by default 1e-3, 0.1, 3e-4 and 1, in that order.
        schedule: `plateau`, `cosine` (to a hundredth, over `max_steps`) or `constant`; see
            `mnemoscope.training.schedules`.
        batch_size: Examples in each step; all of them if left out.
        max_steps: Optimizer steps after which training ends without having converged.
        momentum: Of gradient descent.
        weight_decay: Decoupled for Adam (AdamW), an L2 penalty otherwise.
        seed: Of the order of the examples.
        checkpoint: A file. It is written every 20 seconds and on Ctrl-C; where it exists, training
            goes on from it, to the same numbers as if it had never stopped. It stays when
            training ends.
        on_progress: Called after each look at the loss.

    Raises:
        MnemoscopeError: an argument is out of range, the data are not finite or do not fit the
            network, or the checkpoint is of another training.
        DivergenceError: the loss became NaN or grew a hundredfold.
        KeyboardInterrupt: Ctrl-C; with a checkpoint, after it was written.
    """
    kind = optimizer_kind(optimizer)
    parameters = [p for p in net.parameters() if p.requires_grad]
    like = parameters[0] if parameters else torch.empty(0)
    data = X.detach().to(device=like.device, dtype=like.dtype)
    goal = data if targets is None else targets.detach().to(device=like.device, dtype=like.dtype)
    size = len(data) if batch_size is None else batch_size
    _check(net, parameters, data, goal, tol, schedule, size, max_steps, lr, optimizer)
    settings: dict[str, Any] = {
        "optimizer": optimizer,
        "lr": kind.lr if lr is None else float(lr),
        "schedule": schedule,
        "batch_size": size,
        "tol": tol,
        "max_steps": max_steps,
        "seed": seed,
        "examples": len(data),
        "data_checksum": checksum(X),
        "targets": targets is not None,
    }
    identity = settings | {
        "momentum": momentum,
        "weight_decay": weight_decay,
        "targets_checksum": checksum(goal),
        "parameters": [list(p.shape) for p in parameters],
    }
    # These only say when to stop (but the cosine ends at `max_steps`), so they may change.
    identity.pop("tol")
    if schedule != "cosine":
        identity.pop("max_steps")

    solver = make_optimizer(
        optimizer, parameters, lr=settings["lr"], momentum=momentum, weight_decay=weight_decay
    )
    rate = Rate(schedule, settings["lr"], max_steps)
    run = _Run(net, solver, rate, identity)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        run.restore(read_checkpoint(path), path)
    modes = [module.training for module in net.modules()]
    net.train()
    try:
        with ExitStack() as stack:
            interruption = stack.enter_context(deferred_interrupt()) if path else None
            loss = run.until(
                data, goal, tol=tol, size=size, max_steps=max_steps, seed=seed,
                path=path, interruption=interruption, on_progress=on_progress,
            )  # fmt: skip
    finally:
        for module, mode in zip(net.modules(), modes, strict=True):
            module.training = mode
    history = tuple(
        HistoryRow(step=step, seconds=seconds, loss=value, lr=at)
        for step, seconds, value, at in run.history
    )
    record = TrainingRecord(
        **settings,
        steps=run.step,
        loss=loss,
        converged=loss <= tol,
        seconds=run.seconds,
        versions=versions(),
        history=history,
    )
    if isinstance(net, Network):
        net.training_record = record
    return Fit(loss, run.step, loss <= tol, run.seconds, history, record)


class _Run:
    """A training under way: everything that a checkpoint must bring back."""

    def __init__(
        self, net: nn.Module, optimizer: Optimizer, rate: Rate, identity: dict[str, Any]
    ) -> None:
        self.net = net
        self.optimizer = optimizer
        self.rate = rate
        self.identity = identity
        self.step = 0
        self.round = 0
        self.seconds = 0.0
        self.first_loss: float | None = None
        self.history: list[list[float]] = []
        self.stride = 1

    def until(
        self,
        X: Tensor,
        Y: Tensor,
        *,
        tol: float,
        size: int,
        max_steps: int,
        seed: int,
        path: Path | None,
        interruption: Any,
        on_progress: Callable[[Progress], object] | None,
    ) -> float:
        """Trains until the loss is at most `tol` or the steps are used up; the loss then."""
        begun = time.perf_counter() - self.seconds
        saved = time.perf_counter()
        full = size >= len(X)
        # A pass over mini-batches sees the loss before each of its steps; it falls on the way.
        promising = tol if full else 4 * tol
        loss = self._whole_loss(X, Y)
        if self.first_loss is None:
            self.first_loss = loss
        while loss > tol and self.step < max_steps:
            before = self.step
            if full:
                seen = self._full_round(X, Y, max_steps)
            else:
                seen = self._epoch(X, Y, epoch_batches(len(X), size, seed=seed, epoch=self.round))
            self.round += 1
            self.seconds = time.perf_counter() - begun
            self._check_growth(seen)
            self._note(seen)
            if on_progress is not None:
                on_progress(Progress(self.step, self.seconds, seen, self.rate.lr))
            self.rate = self.rate.after(seen, self.step - before)
            if seen <= promising or self.step >= max_steps:
                loss = self._whole_loss(X, Y)
            asked = interruption is not None and interruption.asked
            if path is not None and (
                asked or time.perf_counter() - saved > CHECKPOINT_SECONDS
            ):
                write_checkpoint(path, self.state())
                saved = time.perf_counter()
            if asked:
                raise KeyboardInterrupt
        self.seconds = time.perf_counter() - begun
        self.history.append([self.step, self.seconds, loss, self.rate.lr])
        return loss

    def state(self) -> dict[str, Any]:
        """Everything, as a nest of plain values and tensors."""
        return {
            "identity": self.identity,
            "weights": dict(self.net.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "rate": self.rate.state(),
            "step": self.step,
            "round": self.round,
            "seconds": self.seconds,
            "first_loss": self.first_loss,
            "history": self.history,
            "stride": self.stride,
        }

    def restore(self, state: dict[str, Any], path: Path) -> None:
        """Takes a state that `state` gave."""
        theirs = state["identity"]
        differing = [key for key in self.identity if theirs.get(key) != self.identity[key]]
        if differing:
            told = ", ".join(
                f"{key} {_brief(theirs.get(key))}, not {_brief(self.identity[key])}"
                for key in differing
            )
            raise MnemoscopeError(
                f"{path} is a checkpoint of another training: {told}",
                expected="a checkpoint of this very training",
                todo="train with its settings, remove it, or name another one",
            )
        self.net.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rate = Rate(**state["rate"])
        self.step, self.round, self.seconds = state["step"], state["round"], state["seconds"]
        self.first_loss, self.history = state["first_loss"], state["history"]
        self.stride = state["stride"]

    def _full_round(self, X: Tensor, Y: Tensor, max_steps: int) -> float:
        set_rate(self.optimizer, self.rate.lr)
        if isinstance(self.optimizer, LBFGS):
            loss = self.optimizer.step(lambda: self._backward(X, Y))
            self.step += LBFGS_ITERATIONS
            return float(loss)
        loss = X.new_zeros(())
        for _ in range(min(ROUND, max_steps - self.step)):
            loss = self._backward(X, Y)
            self.optimizer.step()
            self.step += 1
        return float(loss)

    def _epoch(self, X: Tensor, Y: Tensor, batches: tuple[Tensor, ...]) -> float:
        set_rate(self.optimizer, self.rate.lr)
        total = X.new_zeros(())
        for batch in batches:
            index = batch.to(X.device)
            total += self._backward(X[index], Y[index]) * len(batch)
            self.optimizer.step()
            self.step += 1
        return float(total) / len(X)

    def _backward(self, X: Tensor, Y: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(self.net(X), Y)
        loss.backward()
        return loss.detach()

    def _whole_loss(self, X: Tensor, Y: Tensor) -> float:
        self.net.eval()
        with torch.no_grad():
            squares = sum(
                nn.functional.mse_loss(self.net(x), y, reduction="sum").double()
                for x, y in zip(X.split(1024), Y.split(1024), strict=True)
            )
        self.net.train()
        return float(squares) / X.numel()

    def _check_growth(self, loss: float) -> None:
        first = self.first_loss if self.first_loss else 1.0
        if math.isfinite(loss) and loss <= GROWTH * max(first, 1e-3):
            return
        raise DivergenceError(
            f"training diverged: loss {loss:.3g} at step {self.step} with learning rate "
            f"{self.rate.lr:.3g} (it began at {first:.3g})",
            expected="a loss that falls",
            todo=f"try lr={self.identity['lr'] / 3:.1g}, another optimizer or another init",
        )

    def _note(self, loss: float) -> None:
        if self.round % self.stride:
            return
        self.history.append([self.step, self.seconds, loss, self.rate.lr])
        if len(self.history) > HISTORY_ROWS:
            self.history = self.history[1::2]
            self.stride *= 2


def _check(
    net: nn.Module,
    parameters: list[nn.Parameter],
    X: Tensor,
    Y: Tensor,
    tol: float,
    schedule: str,
    batch_size: int,
    max_steps: int,
    lr: float | None,
    optimizer: str,
) -> None:
    if not parameters:
        raise MnemoscopeError(
            f"a {type(net).__name__} without parameters to train",
            expected="a network with parameters that require gradients",
            todo="build one from a spec: mn.nets.FullyConnected(shape=...).build(seed=0)",
        )
    if X.ndim < 2 or len(X) == 0:
        raise MnemoscopeError(
            f"examples of shape {tuple(X.shape)}",
            expected="a batch (n, *shape) of at least one",
            todo="pass one example as x[None]",
        )
    if Y.shape != X.shape:
        raise MnemoscopeError(
            f"targets of shape {tuple(Y.shape)} for examples of shape {tuple(X.shape)}",
            expected="a target for each example, of its shape",
            todo="for a sequence pass targets=X.roll(-1, 0)",
        )
    for name, values in (("the examples", X), ("the targets", Y)):
        if not bool(torch.isfinite(values).all()):
            where = (~torch.isfinite(values)).nonzero()[0].tolist()
            raise MnemoscopeError(
                f"NaN or infinity in {name} at index {where}",
                expected="finite numbers",
                todo="mend or leave out that example",
            )
    ranges = {
        f"tol={tol}": (tol > 0, "a loss above 0"),
        f"lr={lr}": (lr is None or lr > 0, "a learning rate above 0"),
        f"max_steps={max_steps}": (max_steps >= 1, "at least 1"),
        f"schedule={schedule!r}": (schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
        f"batch_size={batch_size}": (1 <= batch_size <= len(X), f"1 to {len(X)}, the examples"),
        f"batch_size={batch_size} with lbfgs": (
            optimizer != "lbfgs" or batch_size == len(X),
            "the full batch, since L-BFGS compares gradients of one and the same loss",
        ),
    }
    for given, (right, expected) in ranges.items():
        if not right:
            raise MnemoscopeError(given, expected=expected, todo="mend it or leave it out")
    with torch.no_grad():
        shape = net(X[:1]).shape
    if shape != X[:1].shape:
        raise MnemoscopeError(
            f"a network from states {tuple(X.shape[1:])} to outputs {tuple(shape[1:])}",
            expected="an output of its input's shape",
            todo="give an autoencoder",
        )


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:17]}…"
