"""`train`: one network, fitted to interpolation."""

import logging
import math
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.interruption import deferred_interrupt
from mnemoscope.base.provenance import checksum, versions
from mnemoscope.base.unit import checked_unit, unit_of
from mnemoscope.data.given import given_examples
from mnemoscope.nets import HistoryRow, Network, TrainingRecord
from mnemoscope.nets.dtypes import state_dtype
from mnemoscope.training.batches import Order
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
from mnemoscope.training.history import History
from mnemoscope.training.judgement import LOOK, ROUND, divergence, largest_loss, promising
from mnemoscope.training.loss import whole_loss
from mnemoscope.training.optimizers import optimizer_kind
from mnemoscope.training.running_statistics import (
    check_batches,
    check_statistics,
    following,
    set_exact,
)
from mnemoscope.training.schedules import Rate
from mnemoscope.training.solver import Solver, Stepwise
from mnemoscope.training.solvers import make_solver
from mnemoscope.training.stall import Stall

CHECKPOINT_SECONDS = 20.0
"""Time between two checkpoints."""

POLISH_FROM = 1e-4
"""The loss at which polishing takes over."""

POLISHED = 1e-14
"""The loss at which polishing ends, unless `tol` is lower still."""

APART = 10.0
"""A loss in eval mode of more than so many times that of the steps is due to the mode, not to the
step between the two."""

_log = logging.getLogger("mnemoscope")


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
    polish: bool = False,
    unit: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Fit:
    """Fits a network to reproduce its examples until it interpolates them.

    The training loss is the mean squared error over all entries of all examples, in squared units,
    of the network as it is at the end, in eval mode. Training stops when it is at most `tol`, or
    after `max_steps`. It is computed after each pass over the mini-batches, or each 10 full-batch
    steps.
    A fully connected network of a spec is trained by its gradient written out, which is faster than
    autograd's and the same but for rounding; see `mnemoscope.nets.fully_connected_stack`. L-BFGS
    works on the loss divided by what it was 100 iterations ago, and takes a shorter step where the
    loss would rise or not be finite; see `RescaledLBFGS`. `gauss_newton` is Levenberg-Marquardt in
    function space; see `mnemoscope.training.gauss_newton`.

    Layers with running statistics (`BatchNorm1d` and others) map eval mode's states otherwise than
    training mode's. Where the loss is not small yet, a look sets their running statistics to the
    exact ones of all examples; where it no longer falls, they are held constant from then on
    (`Fit.frozen_at`). Where the loss of the steps is at most `tol`, that in eval mode is not and no
    longer falls, training stops and `Fit.reason` says why. See
    `mnemoscope.training.running_statistics`.

    Batch size, optimizer and rate are part of what decides which examples get stored; all of them
    are recorded, in `Fit.record` and, for a network built from a spec, in `net.training_record`.

    Args:
        net: The network; its weights are changed, its mode is left as it was.
        X: `(n, *shape)`, the examples.
        targets: `(n, *shape)`, what to map each example to; the example itself if left out. With
            the next example of a sequence, the sequence is stored as a cycle.
        tol: The loss, in squared units, that counts as interpolation.
        optimizer: `adam`, `gradient_descent` (with momentum), `rmsprop`, `lbfgs` or `gauss_newton`.
        lr: Learning rate to begin with; by default 1e-3, 0.1, 3e-4 and 1, in that order;
            `gauss_newton` has none.
        schedule: `plateau`, `cosine` (to a hundredth, over `max_steps`) or `constant`; see
            `mnemoscope.training.schedules`.
        batch_size: Examples in each step; all of them if left out.
        max_steps: Optimizer steps after which training ends without having converged.
        momentum: Of gradient descent.
        weight_decay: Decoupled for Adam (AdamW), an L2 penalty otherwise; the last two optimizers
            have none.
        seed: Of the order of the examples, and of the chance in layers such as dropout.
        polish: Whether Gauss-Newton takes over at a loss of 1e-4 and goes on to 1e-14, or as far as
            the dtype allows. What is stored then stays what the optimizer before it has stored.
        unit: The scale of the examples (default: that of `X`; see `mnemoscope.base.unit`).
        checkpoint: A file. It is written every 20 seconds and on Ctrl-C; where it exists, training
            goes on from it, to the same numbers as if it had never stopped. It stays when
            training ends.
        on_progress: Called after each look at the loss.

    Raises:
        MnemoscopeError: an argument is out of range, the data are not finite or do not fit the
            network, the checkpoint is of another training, or batch norm has no running statistics
            or a batch of a single value.
        DivergenceError: the loss became NaN or grew a hundredfold.
        KeyboardInterrupt: Ctrl-C; with a checkpoint, after it was written.
    """
    kind = optimizer_kind(optimizer)
    X = given_examples(X)
    check_data(X, targets)
    size = len(X) if batch_size is None else batch_size
    check_settings(
        tol=tol, optimizer=optimizer, lr=lr, schedule=schedule, batch_size=size,
        max_steps=max_steps, momentum=momentum, weight_decay=weight_decay, seed=seed,
        examples=len(X),
    )  # fmt: skip
    parameters = trainable(net)
    like = parameters[0]
    dtype = state_dtype([net], None)
    data = X.detach().to(device=like.device, dtype=dtype)
    goal = data if targets is None else targets.detach().to(device=like.device, dtype=dtype)
    check_finite(data, goal)
    settings: dict[str, Any] = {
        "optimizer": optimizer,
        "lr": (kind.lr or 1.0) if lr is None else float(lr),
        "schedule": schedule,
        "batch_size": size,
        "tol": tol,
        "unit": unit_of(X) if unit is None else checked_unit(unit),
        "max_steps": max_steps,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "polish": polish,
        "seed": seed,
        "examples": len(data),
        "data_checksum": checksum(X),
        "targets": targets is not None,
    }
    identity = settings | {
        "targets_checksum": checksum(goal),
        "parameters": [list(p.shape) for p in parameters],
        **_traits(net),
    }
    # These only say when to stop (but the cosine ends at `max_steps`), so they may change.
    identity.pop("tol")
    identity.pop("unit")
    if schedule != "cosine":
        identity.pop("max_steps")

    run = _Run(net, identity, settings)
    path = None if checkpoint is None else Path(checkpoint)
    modes = [(module, module.training) for module in net.modules()]
    try:
        net.eval()
        check_statistics(net)
        check_network(net, data)
        run.begin()
        run.check_batches(data)
        if path is not None and path.exists():
            run.restore(read_checkpoint(path), path)
        run.to_training_mode()
        with ExitStack() as stack:
            interruption = stack.enter_context(deferred_interrupt()) if path else None
            stack.enter_context(torch.enable_grad())
            loss = run.until(
                data, goal, path=path, interruption=interruption, on_progress=on_progress
            )
    finally:
        run.close()
        for module, mode in modes:
            module.training = mode
    history = tuple(
        HistoryRow(step=int(step), seconds=seconds, loss=value, lr=at)
        for step, seconds, value, at in run.history.rows
    )
    reason = run.reason(loss)
    record = TrainingRecord(
        **settings,
        steps=run.step,
        loss=loss,
        converged=loss <= tol,
        frozen_at=run.frozen_at,
        reason=reason,
        seconds=run.seconds,
        versions=versions(),
        history=history,
    )
    if isinstance(net, Network):
        net.training_record = record
    return Fit(loss, run.step, loss <= tol, run.seconds, history, record, run.frozen_at, reason)


class _Run:
    """A training under way: everything that a checkpoint must bring back."""

    def __init__(self, net: nn.Module, identity: dict[str, Any], settings: dict[str, Any]) -> None:
        self.net = net
        self.identity = identity
        self.settings = settings
        self.solver: Solver | None = None
        self.rate = Rate(settings["schedule"], settings["lr"], settings["max_steps"])
        self.polishing = False
        self.step = 0
        self.round = 0
        self.seconds = 0.0
        self.first_loss = math.nan
        # What a mean squared error is divided by.
        self.square = settings["unit"] ** 2
        self.loss: float | None = None
        self.history: History[list[float]] = History()
        self.layers = following(net)
        self.frozen_at: int | None = None
        self.stall = Stall()
        self.apart = ""

    @property
    def target(self) -> float:
        """The loss at which the present solver has done its part."""
        tol = self.settings["tol"]
        if not self.settings["polish"]:
            return tol
        return min(tol, POLISHED) if self.polishing else max(tol, POLISH_FROM)

    def begin(self) -> None:
        """Makes the present solver."""
        self.close()
        settings = self.settings
        self.solver = make_solver(
            self.net,
            "gauss_newton" if self.polishing else settings["optimizer"],
            lr=settings["lr"],
            momentum=settings["momentum"],
            weight_decay=settings["weight_decay"],
            tol=self.target * self.square,
        )

    def check_batches(self, X: Tensor) -> None:
        """Refuses batches that layers in training mode cannot take."""
        assert self.solver is not None
        if not self.solver.in_eval_mode:
            size = self.settings["batch_size"]
            check_batches(self.net, X, len(X) % size or size)

    def to_training_mode(self) -> None:
        """Puts the network into training mode, but for layers whose statistics are constant."""
        self.net.train()
        if self.frozen_at is not None:
            for layer in self.layers:
                layer.eval()

    def close(self) -> None:
        """Leaves the network as a module like any other."""
        if self.solver is not None:
            self.solver.close()
            self.solver = None

    def until(
        self,
        X: Tensor,
        Y: Tensor,
        *,
        path: Path | None,
        interruption: Any,
        on_progress: Callable[[Progress], object] | None,
    ) -> float:
        """Trains until the loss is small enough or the steps are used up; the loss then."""
        begun = time.perf_counter() - self.seconds
        saved = time.perf_counter()
        max_steps = self.settings["max_steps"]
        order = Order(len(X), [self.settings["seed"]], X.device)
        loss = self.loss
        if loss is None:
            loss = self.loss = self.first_loss = whole_loss(self.net, X, Y) / self.square
            if not math.isfinite(loss):
                raise MnemoscopeError(
                    f"a network whose training loss is {loss} before the first step",
                    expected="outputs on the examples that are finite numbers",
                    todo="mend its weights, or scale the examples down",
                )
        while self._goes_on(loss):
            assert self.solver is not None
            before = self.step
            draws = seeded(self.settings["seed"], self.round, X.device)
            with draws if self.solver.by_chance else nullcontext():
                seen, full_batch = self._pass(self.solver, X, Y, order)
            seen = seen / self.square
            self.round += 1
            self.seconds = time.perf_counter() - begun
            self._check_growth(seen)
            self.history.note(self.round, [self.step, self.seconds, seen, self.rate.lr])
            if on_progress is not None:
                on_progress(Progress(self.step, self.seconds, seen, self.rate.lr))
            if not self.polishing:
                self.rate = self.rate.after(seen, self.step - before)
            small = seen <= promising(self.target, full_batch=full_batch)
            if small or self.round % LOOK == 0 or self.step >= max_steps:
                loss = self.loss = self._loss(X, Y)
                self._check_growth(loss)
                self._judge(seen, loss)
            asked = interruption is not None and interruption.asked
            if path is not None and (asked or time.perf_counter() - saved > CHECKPOINT_SECONDS):
                write_checkpoint(path, self.state())
                saved = time.perf_counter()
            if asked:
                raise KeyboardInterrupt
        # A training resumed with a larger `tol` or fewer steps has not looked at its loss yet.
        self.loss = self._loss(X, Y)
        self.seconds = time.perf_counter() - begun
        self._note_end(self.loss)
        return self.loss

    def state(self) -> dict[str, Any]:
        """Everything, as a nest of plain values and tensors."""
        assert self.solver is not None
        return {
            "identity": self.identity,
            "weights": dict(self.net.state_dict()),
            "polishing": self.polishing,
            "solver": self.solver.state_dict(),
            "rate": self.rate.state(),
            "step": self.step,
            "round": self.round,
            "seconds": self.seconds,
            "first_loss": self.first_loss,
            "loss": self.loss,
            "history": self.history.rows,
            "stride": self.history.stride,
            "frozen_at": self.frozen_at,
            "stall": self.stall.state(),
            "apart": self.apart,
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
        self.polishing = state["polishing"]
        self.begin()
        assert self.solver is not None
        self.solver.load_state_dict(state["solver"])
        self.rate = Rate(**state["rate"])
        self.step, self.round, self.seconds = state["step"], state["round"], state["seconds"]
        self.first_loss, self.loss = state["first_loss"], state["loss"]
        self.history = History(state["history"], state["stride"])
        self.frozen_at, self.apart = state["frozen_at"], state["apart"]
        self.stall = Stall(**state["stall"])

    def _goes_on(self, loss: float) -> bool:
        """Whether there is more to do; hands over to the polishing when it is its turn."""
        if loss <= self.target and self.settings["polish"] and not self.polishing:
            self.polishing = True
            self.begin()
        assert self.solver is not None
        return (
            loss > self.target
            and self.step < self.settings["max_steps"]
            and not self.solver.stalled
            and not self.apart
        )

    def reason(self, loss: float) -> str:
        """Why training ended without having converged; empty if it has."""
        if loss <= self.settings["tol"]:
            return ""
        if self.step >= self.settings["max_steps"]:
            return f"max_steps={self.settings['max_steps']} was reached"
        return self.apart or f"{self.settings['optimizer']} could go no further"

    def _loss(self, X: Tensor, Y: Tensor) -> float:
        """The training loss as it is now, in squared units, with exact statistics if need be."""
        loss = whole_loss(self.net, X, Y) / self.square
        if loss <= self.target or not self._follows:
            return loss
        set_exact(self.net, self.layers, X)
        return whole_loss(self.net, X, Y) / self.square

    @property
    def _follows(self) -> bool:
        """Whether steps change statistics that eval mode uses."""
        assert self.solver is not None
        return bool(self.layers) and self.frozen_at is None and not self.solver.in_eval_mode

    def _judge(self, seen: float, loss: float) -> None:
        """Looks whether training mode and eval mode are what keeps the loss from falling."""
        self.stall = self.stall.after(loss, self.step)
        if loss <= self.target or not self.stall.over(self.step):
            return
        if self._follows:
            _log.info(
                "loss %.3g (%.3g in training mode) no longer falls at step %d: the running "
                "statistics of %d normalization layers are constant from here on",
                loss, seen, self.step, len(self.layers),
            )  # fmt: skip
            self.frozen_at = self.step
            self.to_training_mode()
            self.begin()
            self.rate, self.stall = self.rate.afresh(), Stall()
        elif seen <= self.target and loss > APART * seen:
            self.apart = (
                f"the loss is {seen:.2g} in training mode but {loss:.2g} in eval mode, since a "
                "layer behaves differently there, and it no longer falls"
            )

    def _pass(self, solver: Solver, X: Tensor, Y: Tensor, order: Order) -> tuple[float, bool]:
        """A round of full-batch steps, or a pass over mini-batches: the squares seen, and which."""
        left = self.settings["max_steps"] - self.step
        size = self.settings["batch_size"]
        if size >= len(X) or not isinstance(solver, Stepwise):
            taken, loss = solver.descend(X, Y, min(ROUND, left), self.rate.lr)
            self.step += taken
            return loss, True
        total, count = X.new_zeros(()), 0
        for index in order.epoch(self.round)[0].split(size)[:left]:
            x = X[index]
            solver.step(x, x if Y is X else Y[index], self.rate.lr)
            total += solver.loss() * len(x)
            count += len(x)
            self.step += 1
        return float(total) / count, False

    def _check_growth(self, loss: float) -> None:
        if math.isfinite(loss) and loss <= largest_loss(self.first_loss):
            return
        raise divergence(
            loss,
            first=self.first_loss,
            step=self.step,
            rate=self.rate.lr,
            optimizer=self.settings["optimizer"],
            lr=self.settings["lr"],
        )

    def _note_end(self, loss: float) -> None:
        rows = self.history.rows
        if rows and rows[-1][0] == self.step:
            rows[-1][1:3] = [self.seconds, loss]
        else:
            rows.append([self.step, self.seconds, loss, self.rate.lr])


def _traits(net: nn.Module) -> dict[str, Any]:
    """What tells networks apart whose parameters have the same shapes."""
    if isinstance(net, Network):
        return net.spec.model_dump(mode="json")
    return {"network": str(net)}


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:17]}…"
