"""`train`: one network of any kind, fitted to interpolation.

`mnemoscope.training.ensemble` has a loop of its own: it holds losses, rates and verdicts of many
networks as tensors, which would cost one small network about a tenth of its time, and it knows
neither checkpoints nor running statistics. Both loops share options, examples, rules
(`mnemoscope.training.schedules`), rates, history and result.
"""

import logging
import math
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.check import invalid
from mnemoscope.base.errors import MnemoscopeError, shortened
from mnemoscope.base.interruption import Interruption, deferred_interrupt
from mnemoscope.base.provenance import checksum, versions
from mnemoscope.nets import HistoryRow, Network
from mnemoscope.nets.modules import state_dtype
from mnemoscope.training.checkpoint import read_checkpoint, write_checkpoint
from mnemoscope.training.examples import Examples, Order, checked_examples
from mnemoscope.training.finishing import finish_last_layer, finish_record, finished_at
from mnemoscope.training.fit import Fit, History, Progress, fit_of
from mnemoscope.training.networks import check_network, trainable, whole_loss
from mnemoscope.training.noise import input_noise
from mnemoscope.training.options import TrainingOptions, with_changes
from mnemoscope.training.running_statistics import (
    check_batches,
    check_statistics,
    following,
    set_exact,
)
from mnemoscope.training.schedules import (
    LOOK,
    ROUND,
    LearningRate,
    Stall,
    divergence,
    finish_from,
    largest_loss,
    next_finish,
    promising,
)
from mnemoscope.training.settling import SETTLED, Settling, probe
from mnemoscope.training.solvers import Solver, Stepwise, make_solver, seeded

CHECKPOINT_SECONDS = 20.0
"""Time between two checkpoints."""

APART = 10.0
"""A loss in eval mode above this many times that of the steps is due to the mode, not to the step
between the two."""

_log = logging.getLogger("mnemoscope")


def train(
    net: nn.Module,
    X: Float[Tensor, "n *shape"],
    options: TrainingOptions | None = None,
    *,
    targets: Float[Tensor, "n *shape"] | None = None,
    batch_size: int | None = None,
    max_steps: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Fit:
    """Fits a network to reproduce its examples until it interpolates them.

    The training loss is the mean squared error over all entries of all examples, in squared units,
    in eval mode. It is computed after each pass over the mini-batches, or each 10 full-batch steps.
    Training stops when it is at most `tol`, after `max_steps`, or where it can go no further
    (`Fit.reason`). See `RescaledLBFGS`, `mnemoscope.training.gauss_newton` and
    `mnemoscope.training.running_statistics` for L-BFGS, Gauss-Newton and batch norm.

    Args:
        net: The network; its weights are changed, its mode is left as it was.
        X: `(n, *shape)`, the examples.
        options: How to train; default: `TrainingOptions()`.
        targets: `(n, *shape)`, what to map each example to; default: the example itself. With the
            next example of a sequence, the sequence is stored as a cycle.
        batch_size: Instead of `options.batch_size`.
        max_steps: Instead of `options.max_steps`.
        checkpoint: A file, written every 20 seconds and on Ctrl-C. Where it exists, training goes
            on from it, to the same numbers as if it had never stopped. It stays when training ends.
        on_progress: Called after each look at the loss.

    Raises:
        MnemoscopeError: an argument is out of range, the data are not finite or do not fit the
            network, the checkpoint is of another training, or batch norm has no running statistics
            or a batch of a single value.
        DivergenceError: the loss became NaN or grew a hundredfold.
        KeyboardInterrupt: Ctrl-C; with a checkpoint, after it was written.
    """
    chosen = with_changes(options, batch_size=batch_size, max_steps=max_steps)
    like = trainable(net)[0]
    dtype = state_dtype([net], None)
    name = str(dtype).removeprefix("torch.")
    if chosen.dtype not in (None, name):
        raise invalid("dtype", chosen.dtype, f"{name}, the dtype of the network")
    examples = checked_examples(X, targets, ndim=None, dtype=dtype, device=like.device)
    unit = chosen.unit or examples.unit(0)
    run = _Run(net, examples, chosen.resolved(examples.count, unit=unit, dtype=name))
    path = None if checkpoint is None else Path(checkpoint)
    modes = [(module, module.training) for module in net.modules()]
    try:
        run.prepare(path)
        with ExitStack() as stack:
            interruption = stack.enter_context(deferred_interrupt()) if path else None
            stack.enter_context(torch.enable_grad())
            run.until_the_end(path, interruption, on_progress)
    finally:
        run.close()
        for module, mode in modes:
            module.training = mode
    fit = run.fit()
    if isinstance(net, Network):
        net.training_record = fit.record
    return fit


@dataclass
class _State:
    """The state of a training: plain values, stored in a checkpoint with weights and solver.

    Attributes:
        rate: The learning rate.
        finish_from: The loss at which the finish is tried next.
        finishing: The finish has taken over from the optimizer.
        finished: The last layer was solved, so that nothing is left to do.
        before: The loss and the trainable weights when the finish began; empty: it has not.
        step: Optimizer steps taken.
        round: Passes over the mini-batches, or rounds of full-batch steps.
        seconds: Time spent.
        first_loss: The loss before the first step; NaN before it is known.
        loss: The loss when it was last evaluated in eval mode.
        frozen_at: The step from which running statistics are constant.
        apart: Why training mode and eval mode keep the loss from falling; empty if they do not.
        stall: How long the loss has not fallen.
        settling: How long contraction at the examples has not changed.
        history: Rows of step, seconds, loss and learning rate.
    """

    rate: LearningRate
    finish_from: float
    finishing: bool = False
    finished: bool = False
    before: dict[str, Any] = field(default_factory=dict[str, Any])
    step: int = 0
    round: int = 0
    seconds: float = 0.0
    first_loss: float = math.nan
    loss: float = math.nan
    frozen_at: int | None = None
    apart: str = ""
    stall: Stall = field(default_factory=Stall)
    settling: Settling = field(default_factory=Settling)
    history: History[list[float]] = field(default_factory=History[list[float]])

    @classmethod
    def of(cls, values: dict[str, Any]) -> "_State":
        """Returns the state whose `asdict` these values are."""
        nested = {
            "rate": LearningRate(**values["rate"]),
            "stall": Stall(**values["stall"]),
            "settling": Settling(**values["settling"]),
            "history": History(**values["history"]),
        }
        return cls(**{**values, **nested})


class _Run:
    """A training under way."""

    def __init__(self, net: nn.Module, examples: Examples, options: TrainingOptions) -> None:
        assert options.unit is not None
        self.net, self.examples, self.options = net, examples, options
        # What a mean squared error is divided by.
        self.square = options.unit**2
        self.layers = following(net)
        self.noise = input_noise([options])
        self.solver: Solver | None = None
        self.at = _State(
            LearningRate(options.schedule, options.first_rate, options.max_steps),
            finish_from(options),
        )

    @property
    def target(self) -> float:
        """The loss at which the current solver has done its part."""
        return self._finished_at if self.at.finishing else self.at.finish_from

    @cached_property
    def _finished_at(self) -> float:
        return finished_at(self.options, self.examples.Y)

    def prepare(self, path: Path | None) -> None:
        """Checks the network, makes the solver and restores the checkpoint, if there is one."""
        X = self.examples.X
        self.net.eval()
        check_statistics(self.net)
        check_network(self.net, X)
        if not self._begin().in_eval_mode:
            size = self.options.batch_size or len(X)
            check_batches(self.net, X, len(X) % size or size)
        if path is not None and path.exists():
            self._restore(path)
        elif self.options.init_scale != 1:
            with torch.no_grad():
                for parameter in self.net.parameters():
                    parameter.mul_(self.options.init_scale)
        self._to_training_mode()

    def close(self) -> None:
        """Leaves the network as a module like any other."""
        if self.solver is not None:
            self.solver.close()
            self.solver = None

    def until_the_end(
        self,
        path: Path | None,
        interruption: Interruption | None,
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        """Trains until the loss is small enough, the steps are used up, or nothing helps."""
        at, options = self.at, self.options
        begun = time.perf_counter() - at.seconds
        saved = time.perf_counter()
        order = Order(self.examples.count, [options.seed], self.examples.X.device)
        if math.isnan(at.loss):
            self._look_first()
        while solver := self._next_solver():
            before = at.step
            draws = seeded(options.seed, at.round, self.examples.X.device)
            with draws if solver.by_chance else nullcontext():
                squares, full_batch = self._pass(solver, order)
            seen = squares / self.square
            at.round += 1
            at.seconds = time.perf_counter() - begun
            self._check_growth(seen)
            now = Progress(at.step, at.seconds, seen, at.rate.lr)
            at.history.note(at.round, [now.step, now.seconds, now.loss, now.lr])
            if on_progress is not None:
                on_progress(now)
            if not at.finishing:
                at.rate = at.rate.after(seen, at.step - before)
            small = seen <= promising(self.target, full_batch=full_batch)
            if small or at.round % LOOK == 0 or at.step >= options.max_steps:
                at.loss = self._loss()
                self._check_growth(at.loss)
                self._judge(seen)
            self._watch_contraction(seen)
            asked = interruption is not None and interruption.asked
            if path is not None and (asked or time.perf_counter() - saved > CHECKPOINT_SECONDS):
                self._save(path)
                saved = time.perf_counter()
            if asked:
                raise KeyboardInterrupt
        # A training resumed with a larger `tol` or fewer steps has not looked at its loss yet.
        at.loss = self._loss()
        at.seconds = time.perf_counter() - begun

    def fit(self) -> Fit:
        """Returns the result, at the end."""
        at, options = self.at, self.options
        rows, finish = at.history.rows, None
        if at.before:
            finish = finish_record(
                self.net,
                self.examples.X,
                method="gauss_newton" if at.finishing else "least_squares",
                loss=at.before["loss"],
                weights=list(at.before["weights"].values()),
            )
        if rows and rows[-1][0] == at.step:
            rows[-1][1:3] = [at.seconds, at.loss]
        else:
            rows.append([at.step, at.seconds, at.loss, at.rate.lr])
        if at.step >= options.max_steps:
            reason = f"max_steps={options.max_steps} was reached"
        else:
            by = "gauss_newton" if at.finishing else options.optimizer
            reason = at.apart or f"{by} could go no further"
            if at.settling.over:
                reason = SETTLED
        return fit_of(
            options,
            {**self.examples.provenance(0), "versions": versions()},
            [
                HistoryRow(step=int(step), seconds=seconds, loss=loss, lr=lr)
                for step, seconds, loss, lr in rows
            ],
            reason=reason,
            frozen_at=at.frozen_at,
            finish=finish,
        )

    def _begin(self) -> Solver:
        """Makes the solver of the optimizer, or of the finish."""
        self.close()
        options = self.options
        if self.at.finishing:
            options = TrainingOptions(optimizer="gauss_newton")
        self.solver = make_solver(self.net, options, tol=self.target * self.square)
        return self.solver

    def _to_training_mode(self) -> None:
        """Puts the network into training mode, except layers whose statistics are constant."""
        self.net.train()
        if self.at.frozen_at is not None:
            for layer in self.layers:
                layer.eval()

    def _look_first(self) -> None:
        loss = self._mean_square()
        if not math.isfinite(loss):
            raise MnemoscopeError(
                f"a network whose training loss is {loss} before the first step",
                expected="outputs on the examples that are finite numbers",
                todo="repair its weights, or scale the examples down",
                field="net",
            )
        self.at.loss = self.at.first_loss = loss

    def _next_solver(self) -> Solver | None:
        """Returns the solver of the next round, the finish when it is its turn; None at the end."""
        at = self.at
        due = at.loss <= self.target or (
            self.options.finish == "least_squares"
            and at.step >= self.options.max_steps
            and not at.finished
        )
        if due and self.options.finish != "none" and not at.finishing:
            self._finish()
        assert self.solver is not None
        ended = (
            at.finished
            or at.loss <= self.target
            or at.step >= self.options.max_steps
            or self.solver.stalled
            or at.apart
        )
        return None if ended else self.solver

    def _finish(self) -> None:
        """Solves the last layer, or hands over to Gauss-Newton, or leaves it to further descent."""
        at, options = self.at, self.options
        weights = {str(i): p.detach().clone() for i, p in enumerate(trainable(self.net))}
        before = {"loss": at.loss, "weights": weights}
        if options.finish == "least_squares":
            solved = finish_last_layer(
                self.net, self.examples.X, self.examples.Y, options, step=at.step
            )
            again = next_finish(solved, at.loss, options)
            if again is not None:
                at.finish_from = again
                return
            if solved.outcome != "unable":
                at.finished = True
                at.frozen_at = at.step if self._follows else at.frozen_at
            if solved.outcome == "done":
                at.before, at.loss = before, self._mean_square()
                return
        if not at.finished and at.step < options.max_steps:
            at.before, at.finishing = before, True
            self._begin()

    def _pass(self, solver: Solver, order: Order) -> tuple[float, bool]:
        """Makes a pass over the mini-batches, or a round of full-batch steps."""
        X, Y, at = self.examples.X, self.examples.Y, self.at
        left = self.options.max_steps - at.step
        size = self.options.batch_size or len(X)
        noise = None if at.finishing else self.noise
        if noise is not None:
            noise.begin(at.round)
        if noise is not None and size >= len(X) and isinstance(solver, Stepwise):
            taken = min(ROUND, left)
            for _ in range(taken):
                solver.step(noise.added(X[None])[0], Y, at.rate.lr)
            at.step += taken
            return float(solver.loss()), True
        if size >= len(X) or not isinstance(solver, Stepwise):
            taken, loss = solver.descend(X, Y, min(ROUND, left), at.rate.lr)
            at.step += taken
            return loss, True
        total, count = X.new_zeros(()), 0
        for index in order.epoch(at.round)[0].split(size)[:left]:
            x = X[index]
            y = x if Y is X else Y[index]
            solver.step(x if noise is None else noise.added(x[None])[0], y, at.rate.lr)
            total += solver.loss() * len(x)
            count += len(x)
            at.step += 1
        return float(total) / count, False

    def _mean_square(self) -> float:
        return whole_loss(self.net, self.examples.X, self.examples.Y) / self.square

    def _loss(self) -> float:
        """Computes the training loss as it is now, with exact running statistics if not small."""
        loss = self._mean_square()
        if loss <= self.target or not self._follows:
            return loss
        set_exact(self.net, self.layers, self.examples.X)
        return self._mean_square()

    @property
    def _follows(self) -> bool:
        """True if steps change statistics that eval mode uses."""
        assert self.solver is not None
        return bool(self.layers) and self.at.frozen_at is None and not self.solver.in_eval_mode

    def _judge(self, seen: float) -> None:
        """Checks whether training mode and eval mode are what keeps the loss from falling."""
        at = self.at
        at.stall = at.stall.after(at.loss, at.step)
        if at.loss <= self.target or not at.stall.over(at.step):
            return
        if self._follows:
            _log.info(
                "loss %.3g (%.3g in training mode) no longer falls at step %d: the running "
                "statistics of %d normalization layers are constant from here on",
                at.loss,
                seen,
                at.step,
                len(self.layers),
            )
            at.frozen_at = at.step
            self._to_training_mode()
            self._begin()
            at.rate, at.stall = at.rate.afresh(), Stall()
        elif seen <= self.target and at.loss > APART * seen:
            at.apart = (
                f"the loss is {seen:.2g} in training mode but {at.loss:.2g} in eval mode, since a "
                "layer behaves differently there, and it no longer falls"
            )

    def _watch_contraction(self, seen: float) -> None:
        """Ends the optimizer's part when contraction at the examples no longer changes."""
        at = self.at
        if self.options.stop != "contraction" or at.finishing or not at.settling.due(at.step, seen):
            return
        at.settling = at.settling.after(probe(self.net, self.examples.X), at.step)
        if at.settling.over:
            at.loss = self._loss()
            at.finish_from = max(at.finish_from, at.loss)

    def _check_growth(self, loss: float) -> None:
        at = self.at
        if math.isfinite(loss) and loss <= largest_loss(at.first_loss):
            return
        raise divergence(self.options, loss, first=at.first_loss, step=at.step, lr=at.rate.lr)

    def _save(self, path: Path) -> None:
        assert self.solver is not None
        state = {
            "identity": self._identity,
            "weights": dict(self.net.state_dict()),
            "solver": self.solver.state_dict(),
            "state": asdict(self.at),
        }
        write_checkpoint(path, state)

    def _restore(self, path: Path) -> None:
        state = read_checkpoint(path)
        theirs, ours = state["identity"], self._identity
        differing = [key for key in ours if theirs.get(key) != ours[key]]
        if differing:
            listed = ", ".join(
                f"{key} {shortened(str(theirs.get(key)), 20)}, not {shortened(str(ours[key]), 20)}"
                for key in differing
            )
            raise MnemoscopeError(
                f"{path} is a checkpoint of another training: {listed}",
                expected="a checkpoint of this very training",
                todo="train with its options, remove it, or name another one",
                field="checkpoint",
            )
        self.net.load_state_dict(state["weights"])
        self.at = _State.of(state["state"])
        self._begin().load_state_dict(state["solver"])

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """Values that a checkpoint must share: everything but when to stop, which may change."""
        options = asdict(self.options)
        for name in ("tol", "unit", "stop"):
            del options[name]
        if self.options.schedule != "cosine":
            del options["max_steps"]
        spec = self.net.spec.model_dump(mode="json") if isinstance(self.net, Network) else None
        return {
            **options,
            **self.examples.provenance(0),
            "targets_checksum": checksum(self.examples.Y),
            "parameters": [list(p.shape) for p in trainable(self.net)],
            **(spec or {"network": str(self.net)}),
        }
