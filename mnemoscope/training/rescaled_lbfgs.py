"""L-BFGS that keeps its way near interpolation, and takes a shorter step rather than diverge."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import LBFGS

LBFGS_RESTART = 100
"""Iterations of L-BFGS after which it forgets its history and measures the loss anew."""

LBFGS_EVALUATIONS = 25
"""Evaluations of the loss that an iteration's line search may take, on average."""

OUT_OF_REACH = 1e6
"""A trial point whose loss is this many times that of the last restart, or not finite, is treated
as this high and flat. The line search squares slopes in the parameters' dtype, so that a point
beyond would turn its step length into NaN."""

SHORTER, LONGER = 0.01, 10.0
"""Factors of the step length after a failure and after a success."""

ATTEMPTS = 20
"""Step lengths tried from one point: `SHORTER**19` is below the smallest number of float32."""

RISE = 1e-5
"""Relative rise of the loss that counts as none: on a GPU the order of a sum differs from call to
call, which changes a mean of up to a million float32 squares by about this much."""


class _NoStepLength(Exception):
    """The line search has come to a step length that is not a number."""


class _Trial:
    """The loss of some iterations, divided by what it was at the last restart.

    `first` is the loss at the first evaluation; NaN if it or its gradient is not finite.
    """

    def __init__(
        self, closure: Callable[[], Tensor], group: dict[str, Any], buffers: Sequence[Tensor]
    ) -> None:
        self._closure, self._group, self._buffers = closure, group, buffers
        self._begun = False
        self.first = math.nan

    def evaluate(self) -> Tensor:
        """Computes the loss and its gradient; a point out of reach is high and flat."""
        group = self._group
        kept = [buffer.clone() for buffer in self._buffers]
        loss = self._closure()
        if begins := not self._begun:
            self._begun, self.first = True, float(loss)
            if group["divisor"] is None:
                group["divisor"] = self.first or 1.0
        value = loss / group["divisor"]
        gradients = [p.grad.div_(group["divisor"]) for p in group["params"] if p.grad is not None]
        # The norm's square is the slope along the gradient, which must not overflow either.
        flat = not bool(torch.nn.utils.get_total_norm(gradients).isfinite())
        if begins and flat:
            self.first = math.nan
        if (begins or value <= OUT_OF_REACH) and not flat:
            return value
        if value.isnan() and not _all_finite(group["params"]):
            raise _NoStepLength
        _restore(self._buffers, kept)
        for gradient in gradients:
            gradient.zero_()
        return torch.full_like(value, OUT_OF_REACH)


class RescaledLBFGS(LBFGS):
    """L-BFGS on the loss divided by what it was at the last restart.

    PyTorch's has thresholds that are not relative: a pair of the history counts only if
    `y·s > 1e-10`, and a line search ends when its bracket is below 1e-9. Near interpolation every
    pair falls below them and it stalls; divided by itself the loss is of order 1 again. It
    restarts, with a fresh history, every `LBFGS_RESTART` iterations and whenever it can go no
    further.

    PyTorch's line search accepts NaN. Here a trial point that is out of reach makes the search go
    back, and iterations that end at a higher loss, or at one that is not finite, are undone and
    done again from a fresh history with a shorter step. With each success the step grows again,
    until it has the whole rate.

    Divisor and step length are kept in the parameter group, so `state_dict` holds all that the next
    iteration depends on.
    """

    def __init__(self, parameters: Sequence[Tensor], *, lr: float) -> None:
        super().__init__(
            list(parameters),
            lr=lr,
            history_size=50,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

    def advance(
        self, closure: Callable[[], Tensor], iterations: int, *, buffers: Sequence[Tensor] = ()
    ) -> tuple[int, float]:
        """Takes up to this number of iterations.

        `closure` computes the loss and its gradient from the parameters alone. `buffers` are
        tensors that an evaluation changes (running statistics); they are restored after one out of
        reach. Returns the number of iterations, at least 1 (if no step lowers the loss), and the
        loss after them; NaN if loss or gradient are not finite before any step.
        """
        group = self.param_groups[0]
        tensors = [*group["params"], *buffers]
        before = [tensor.detach().clone() for tensor in tensors]
        rate, first = group["lr"], math.nan
        try:
            for _ in range(ATTEMPTS):
                share = group.get("share", 1.0)
                group["lr"] = rate * share
                taken, first, last = self._try(closure, iterations, buffers)
                if not math.isfinite(first):
                    return 1, math.nan
                if last <= first * (1 + RISE):
                    group["share"] = min(1.0, LONGER * share)
                    return max(1, taken), last
                _restore(tensors, before)
                self._restart()
                group["share"] = SHORTER * share
            group["share"] = 1.0
            return 1, first
        finally:
            group["lr"] = rate

    def _try(
        self, closure: Callable[[], Tensor], iterations: int, buffers: Sequence[Tensor]
    ) -> tuple[int, float, float]:
        """Iterates: the number of iterations, the loss before and after them."""
        group = self.param_groups[0]
        first_parameter = group["params"][0]
        if (
            self.state[first_parameter].get("n_iter", 0) >= LBFGS_RESTART
            or group.get("divisor") is None
        ):
            self._restart()
        state = self.state[first_parameter]
        group["max_iter"] = iterations
        group["max_eval"] = LBFGS_EVALUATIONS * iterations
        trial = _Trial(closure, group, buffers)
        before = state.get("n_iter", 0)
        try:
            self.step(trial.evaluate)  # pyright: ignore[reportArgumentType]
        except _NoStepLength:
            return 0, trial.first, math.nan
        taken = state["n_iter"] - before
        with torch.enable_grad():
            last = trial.first if taken == 0 else float(closure())
        if taken < iterations:
            self._restart()
        return taken, trial.first, last

    def _restart(self) -> None:
        self.state.clear()
        self.param_groups[0]["divisor"] = None


def _all_finite(tensors: Sequence[Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def _restore(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(tensors, values, strict=True):
            tensor.copy_(value)
