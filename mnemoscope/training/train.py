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
from torch.optim import Optimizer

from mnemoscope.errors import DivergenceError, MnemoscopeError
from mnemoscope.nets import HistoryRow, Network, TrainingRecord
from mnemoscope.provenance import checksum, versions
from mnemoscope.training.batches import epoch_batches
from mnemoscope.training.chance import seeded
from mnemoscope.training.checkpoint import read_checkpoint, write_checkpoint
from mnemoscope.training.checks import (
    check_data,
    check_finite,
    check_network,
    check_settings,
    trainable,
)
from mnemoscope.training.fit import Fit, Progress
from mnemoscope.training.interruption import deferred_interrupt
from mnemoscope.training.optimizers import (
    RescaledLBFGS,
    make_optimizer,
    optimizer_kind,
    set_rate,
)
from mnemoscope.training.schedules import Rate

ROUND = 10
"""Full-batch steps between two looks at the loss."""

LOOK = 10
"""Rounds after which the loss is told in eval mode even where that of the steps is not yet small.

With dropout it never gets small: only in eval mode does such a network interpolate.
"""

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
    L-BFGS works on the loss divided by what it was 100 iterations ago; see `RescaledLBFGS`.

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
        weight_decay: Decoupled for Adam (AdamW), an L2 penalty otherwise; none for L-BFGS.
        seed: Of the order of the examples, and of the chance in layers such as dropout.
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
    check_data(X, targets)
    size = len(X) if batch_size is None else batch_size
    check_settings(
        tol=tol, optimizer=optimizer, lr=lr, schedule=schedule, batch_size=size,
        max_steps=max_steps, momentum=momentum, weight_decay=weight_decay, seed=seed,
        examples=len(X),
    )  # fmt: skip
    parameters = trainable(net)
    like = parameters[0]
    data = X.detach().to(device=like.device, dtype=like.dtype)
    goal = data if targets is None else targets.detach().to(device=like.device, dtype=like.dtype)
    check_finite(data, goal)
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
        **_traits(net),
    }
    # These only say when to stop (but the cosine ends at `max_steps`), so they may change.
    identity.pop("tol")
    if schedule != "cosine":
        identity.pop("max_steps")

    solver = make_optimizer(
        optimizer, list(parameters), lr=settings["lr"], momentum=momentum, weight_decay=weight_decay
    )
    rate = Rate(schedule, settings["lr"], max_steps)
    run = _Run(net, solver, rate, identity)
    path = None if checkpoint is None else Path(checkpoint)
    modes = [(module, module.training) for module in net.modules()]
    try:
        net.eval()
        check_network(net, data)
        if path is not None and path.exists():
            run.restore(read_checkpoint(path), path)
        net.train()
        with ExitStack() as stack:
            interruption = stack.enter_context(deferred_interrupt()) if path else None
            stack.enter_context(torch.enable_grad())
            loss = run.until(
                data, goal, tol=tol, size=size, max_steps=max_steps, seed=seed,
                path=path, interruption=interruption, on_progress=on_progress,
            )  # fmt: skip
    finally:
        solver.zero_grad(set_to_none=True)
        for module, mode in modes:
            module.training = mode
    history = tuple(
        HistoryRow(step=int(step), seconds=seconds, loss=value, lr=at)
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
        self.first_loss = math.nan
        self.loss: float | None = None
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
        if self.loss is None:
            self.loss = self.first_loss = self._whole_loss(X, Y)
            if not math.isfinite(self.loss):
                raise MnemoscopeError(
                    f"a network whose training loss is {self.loss} before the first step",
                    expected="outputs on the examples that are finite numbers",
                    todo="mend its weights, or scale the examples down",
                )
        while self.loss > tol and self.step < max_steps:
            before = self.step
            with seeded(seed, self.round, X.device):
                if full:
                    seen = self._full_round(X, Y, max_steps)
                else:
                    batches = epoch_batches(len(X), size, seed=seed, epoch=self.round)
                    seen = self._epoch(X, Y, batches, max_steps)
            self.round += 1
            self.seconds = time.perf_counter() - begun
            self._check_growth(seen)
            self._note(seen)
            if on_progress is not None:
                on_progress(Progress(self.step, self.seconds, seen, self.rate.lr))
            self.rate = self.rate.after(seen, self.step - before)
            if seen <= promising or self.round % LOOK == 0 or self.step >= max_steps:
                self.loss = self._whole_loss(X, Y)
                self._check_growth(self.loss)
            asked = interruption is not None and interruption.asked
            if path is not None and (asked or time.perf_counter() - saved > CHECKPOINT_SECONDS):
                write_checkpoint(path, self.state())
                saved = time.perf_counter()
            if asked:
                raise KeyboardInterrupt
        # A training resumed with a larger `tol` or fewer steps has not looked at its loss yet.
        self.loss = self._whole_loss(X, Y)
        self.seconds = time.perf_counter() - begun
        self._note_end(self.loss)
        return self.loss

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
            "loss": self.loss,
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
        self.first_loss, self.loss = state["first_loss"], state["loss"]
        self.history, self.stride = state["history"], state["stride"]

    def _full_round(self, X: Tensor, Y: Tensor, max_steps: int) -> float:
        set_rate(self.optimizer, self.rate.lr)
        steps = min(ROUND, max_steps - self.step)
        if isinstance(self.optimizer, RescaledLBFGS):
            self.step += self.optimizer.advance(lambda: self._backward(X, Y), steps)
            return self._whole_loss(X, Y)
        loss = X.new_zeros(())
        for _ in range(steps):
            loss = self._backward(X, Y)
            self.optimizer.step()
            self.step += 1
        return float(loss)

    def _epoch(self, X: Tensor, Y: Tensor, batches: tuple[Tensor, ...], max_steps: int) -> float:
        set_rate(self.optimizer, self.rate.lr)
        total, count = X.new_zeros(()), 0
        for batch in batches[: max_steps - self.step]:
            index = batch.to(X.device)
            total += self._backward(X[index], Y[index]) * len(batch)
            count += len(batch)
            self.optimizer.step()
            self.step += 1
        return float(total) / count

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
        first = self.first_loss
        if math.isfinite(loss) and loss <= GROWTH * max(first, 1e-3):
            return
        usual = optimizer_kind(self.identity["optimizer"]).lr
        gentler = min(usual, self.identity["lr"] / 3)
        raise DivergenceError(
            f"training diverged: loss {loss:.3g} at step {self.step} with learning rate "
            f"{self.rate.lr:.3g} (it began at {first:.3g})",
            expected="a loss that falls",
            todo=f"try lr={gentler:.1g}, another optimizer or another init",
        )

    def _note(self, loss: float) -> None:
        if self.round % self.stride:
            return
        self.history.append([self.step, self.seconds, loss, self.rate.lr])
        if len(self.history) > HISTORY_ROWS:
            self.history = self.history[1::2]
            self.stride *= 2

    def _note_end(self, loss: float) -> None:
        if self.history and self.history[-1][0] == self.step:
            self.history[-1][1:3] = [self.seconds, loss]
        else:
            self.history.append([self.step, self.seconds, loss, self.rate.lr])


def _traits(net: nn.Module) -> dict[str, Any]:
    """What tells networks apart whose parameters have the same shapes."""
    if isinstance(net, Network):
        return net.spec.model_dump(mode="json")
    return {"network": str(net)}


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:17]}…"
