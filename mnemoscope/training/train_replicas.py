"""`train_replicas`: many networks of one spec, fitted at once as if each were alone."""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import DivergenceWarning, MnemoscopeError
from mnemoscope.base.provenance import checksum, versions
from mnemoscope.base.unit import checked_unit, unit_of
from mnemoscope.data.given import given_examples
from mnemoscope.nets import HistoryRow, Spec, TrainingRecord
from mnemoscope.nets.stack import drawn_parameters, network_from
from mnemoscope.nets.stacking import make_stack
from mnemoscope.training.batches import Order
from mnemoscope.training.checks import check_data, check_finite, check_settings
from mnemoscope.training.descent import FIRST_ORDER, Descent
from mnemoscope.training.fit import Fit
from mnemoscope.training.group import Examples, Group, shares
from mnemoscope.training.history import History
from mnemoscope.training.judgement import LOOK, ROUND, largest_loss, promising
from mnemoscope.training.optimizers import optimizer_kind
from mnemoscope.training.replicas import ReplicaProgress, Replicas
from mnemoscope.training.schedules import Rates
from mnemoscope.training.train import POLISH_FROM, POLISHED, train

CLOSE_RANKS = 8
"""A group is made anew when one replica in so many has left: until then it is computed on."""


def train_replicas(
    spec: Spec,
    X: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"],
    *,
    seeds: int | Iterable[int],
    targets: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"] | None = None,
    tol: float = 1e-8,
    optimizer: str = "adam",
    lr: float | Sequence[float] | None = None,
    schedule: str = "plateau",
    batch_size: int | None = None,
    max_steps: int = 100_000,
    momentum: float = 0.9,
    weight_decay: float | Sequence[float] = 0.0,
    init_scale: float | Sequence[float] = 1.0,
    polish: bool = False,
    unit: float | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    on_progress: Callable[[ReplicaProgress], object] | None = None,
) -> Replicas:
    """Fits many networks of one spec at once; each comes out as `train` would have made it alone.

    Replica `r` is `spec.build(seed=seeds[r])`, trained like `train(..., seed=seeds[r])`: the same
    weights to begin with, the same examples in every step, the same rule for its rate and its end,
    the same numbers but for rounding. Their products are batched, so that what a step costs beyond
    arithmetic is paid once. One that has reached `tol` changes no more and leaves; so does one that
    diverges, with a `DivergenceWarning` in the end. No replica's numbers depend on the others'.

    On a CPU replicas are trained in groups whose parameters fit into the cache, one group after the
    other; see `mnemoscope.training.group`. Memory: all parameters, and about six times those of a
    group.

    Args:
        spec: What each network is built from.
        X: `(n, *shape)`, the examples of all; or `(R, n, *shape)`, those of each.
        seeds: A seed for each network, of its weights and the order of its examples; a number `R`
            stands for `range(R)`.
        targets: Of the shape of `X`: what to map each example to; the example itself if left out.
        tol: The loss, in squared units, that counts as interpolation.
        optimizer: `adam`, `gradient_descent` (with momentum) or `rmsprop`.
        lr: Learning rate to begin with: one, or one for each; by default as `train`'s.
        schedule: `plateau`, `cosine` or `constant`, as `train` has them; each replica by itself.
        batch_size: Examples in each step; all of them if left out.
        max_steps: Steps after which a replica ends without having converged.
        momentum: Of gradient descent.
        weight_decay: One, or one for each; decoupled for Adam, an L2 penalty otherwise.
        init_scale: What the drawn weights and biases are multiplied by: one, or one for each.
        polish: Whether each one goes on with Gauss-Newton from a loss of 1e-4; see `train`.
        unit: The scale of the examples (default: that of each replica's examples).
        dtype: Of the networks.
        device: Where they are trained.
        on_progress: Called after each look at the losses.

    Raises:
        MnemoscopeError: an argument is out of range, or the data are not finite or do not fit.

    Warns:
        DivergenceWarning: some replicas diverged.

    Example:
        >>> import mnemoscope as mn
        >>> X = mn.load_data("digits", n=5)
        >>> spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=32, depth=3)
        >>> replicas = mn.train_replicas(spec, X, seeds=range(3))
        >>> replicas.converged.tolist()
        [True, True, True]
        >>> mn.replica_spectral_radius(replicas, X).shape
        torch.Size([3, 5])
    """
    begun = time.perf_counter()
    seeds = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    count = len(seeds)
    kind = optimizer_kind(optimizer)
    _check(spec, seeds, optimizer)
    X = given_examples(X)
    own = isinstance(X, Tensor) and X.ndim == len(spec.shape) + 2
    check_data(X, targets)
    n = X.shape[1] if own else len(X)
    if tuple(X.shape[own + 1 :]) != spec.shape or (own and len(X) != count):
        raise MnemoscopeError(
            f"examples of shape {tuple(X.shape)} for {count} networks of states {spec.shape}",
            expected=f"(n, *shape) for all of them, or ({count}, n, *shape), each its own",
            todo="reshape the examples, or build the networks for their shape",
        )
    rates = each("lr", kind.lr if lr is None else lr, count)
    decays = each("weight_decay", weight_decay, count)
    scales = each("init_scale", init_scale, count)
    size = n if batch_size is None else batch_size
    for rate, decay, seed in zip(rates, decays, seeds, strict=True):
        check_settings(
            tol=tol, optimizer=optimizer, lr=rate, schedule=schedule, batch_size=size,
            max_steps=max_steps, momentum=momentum, weight_decay=decay, seed=seed, examples=n,
        )  # fmt: skip
    data = X.detach().to(device=device, dtype=dtype)
    goal = data if targets is None else targets.detach().to(device=device, dtype=dtype)
    check_finite(data, goal)
    examples = Examples(data, goal, own)
    units = [checked_unit(unit)] * count if unit is not None else _units(X, own, count)
    herd = _Herd(
        spec, seeds, scales, examples,
        units=units, optimizer=optimizer, rates=rates, schedule=schedule, momentum=momentum,
        decays=decays, tol=max(tol, POLISH_FROM) if polish else tol, batch_size=size,
        max_steps=max_steps, on_progress=on_progress,
    )  # fmt: skip
    herd.run()
    checks = [checksum(x) for x in X] if own else [checksum(X)] * count
    told = versions()
    settings = [
        {
            "optimizer": optimizer, "lr": rates[r], "schedule": schedule, "batch_size": size,
            "tol": tol, "unit": units[r], "max_steps": max_steps, "momentum": momentum,
            "weight_decay": decays[r],
            "init_scale": scales[r], "polish": polish, "seed": seeds[r], "examples": n,
            "data_checksum": checks[r], "targets": targets is not None, "versions": told,
        }
        for r in range(count)
    ]  # fmt: skip
    if polish:
        herd.polish(min(tol, POLISHED))
    fits = tuple(herd.fit(r, tol, settings[r]) for r in range(count))
    _tell_of_divergence(herd.diverged, seeds, rates)
    return Replicas(
        spec=spec,
        fits=fits,
        diverged=herd.diverged,
        seconds=time.perf_counter() - begun,
        parameters=tuple(herd.final),
    )


class _Herd:
    """All replicas: what each has come to once it has left, and how they are trained until then.

    Attributes:
        final: `(R, *shape)` each, the parameters of those that have left.
        diverged: `(R,)`, which of them diverged.
    """

    def __init__(
        self,
        spec: Spec,
        seeds: Sequence[int],
        scales: Sequence[float],
        examples: Examples,
        *,
        units: Sequence[float],
        optimizer: str,
        rates: Sequence[float],
        schedule: str,
        momentum: float,
        decays: Sequence[float],
        tol: float,
        batch_size: int,
        max_steps: int,
        on_progress: Callable[[ReplicaProgress], object] | None,
    ) -> None:
        self.spec, self.seeds, self.scales, self.examples = spec, seeds, scales, examples
        self.optimizer, self.rates, self.schedule = optimizer, rates, schedule
        self.momentum, self.decays = momentum, decays
        self.tol, self.batch_size, self.max_steps = tol, batch_size, max_steps
        self.on_progress = on_progress
        self.units = units
        self.squares = torch.tensor(units, dtype=torch.float64).square()
        count = len(seeds)
        like = examples.X
        self.final = [like.new_empty(count, *p.shape) for p in spec.outline().parameters()]
        self.left = torch.zeros(count, dtype=torch.bool)
        self.diverged = torch.zeros(count, dtype=torch.bool)
        self.loss = torch.full((count,), torch.nan, dtype=torch.float64)
        self.steps = torch.zeros(count, dtype=torch.int64)
        self.seconds = torch.zeros(count, dtype=torch.float64)
        self.rows: dict[int, tuple[int, _Rows]] = {}
        self.polishing: dict[int, Fit] = {}

    def run(self) -> None:
        """Trains one group after the other."""
        own = self.examples.own
        one = self.examples.X[0] if own else self.examples.X
        for members in shares(self.spec, one, len(self.seeds), self.examples.X):
            self._train(members)

    def _train(self, members: list[int]) -> None:
        """Trains a group until every replica of it has left."""
        begun = time.perf_counter()
        group, rates = self._begin(members)
        rows: _Rows = History()
        self.rows |= {member: (row, rows) for row, member in enumerate(members)}
        order = Order(self._examples(), [self.seeds[m] for m in members], self.examples.X.device)
        all_members = torch.tensor(members)
        running = torch.ones(len(members), dtype=torch.bool)
        loss = torch.full((len(members),), torch.nan, dtype=torch.float64)
        # Where each replica of the group as it was begun stands in it now.
        place = torch.arange(len(members))
        full_batch = self.batch_size >= self._examples()
        limit = promising(self.tol, full_batch=full_batch)
        step = round = 0

        def leave(leaving: Tensor, losses: Tensor, *, diverged: bool = False) -> None:
            if not bool(leaving.any()):
                return
            out = all_members[leaving]
            running.masked_fill_(leaving, False)
            self.left[out] = True
            self.diverged[out] = diverged
            self.loss[out], self.steps[out] = losses[leaving], step
            self.seconds[out] = time.perf_counter() - begun
            rows_now = place[leaving].to(self.examples.X.device)
            for values, now in zip(self.final, group.stack.parameters, strict=True):
                values[out.to(values.device)] = now[rows_now]

        def whole() -> Tensor:
            now = group.losses() / squares[present]
            return torch.full_like(loss, torch.nan).index_copy(0, present, now)

        present = torch.arange(len(members))
        squares = self.squares[all_members]
        first = whole()
        bound = torch.tensor([largest_loss(value) for value in first.tolist()])
        leave(~torch.isfinite(first), first, diverged=True)
        leave(running & (first <= self.tol), first)
        while bool(running.any()):
            before, left = step, self.max_steps - step
            if full_batch:
                taken = min(ROUND, left)
                losses = group.descend(taken)
            else:
                taken, losses = group.epoch(order.epoch(round)[present], self.batch_size, left)
            step, round = step + taken, round + 1
            losses = losses / squares[present]
            seen = torch.full_like(loss, torch.nan).index_copy(0, present, losses)
            rows.note(round, (step, time.perf_counter() - begun, seen, rates.lr))
            leave(running & ~(seen <= bound), seen, diverged=True)
            last = step >= self.max_steps
            looked_at = running & ((seen <= limit) | (round % LOOK == 0) | last)
            if bool(looked_at.any()):
                now = whole()
                leave(looked_at & ~(now <= bound), now, diverged=True)
                leave(running & looked_at & ((now <= self.tol) | last), now)
            if self.on_progress is not None:
                self.on_progress(self._progress(step, time.perf_counter() - begun, seen[running]))
            changed = rates.after(seen.nan_to_num(), step - before)
            staying = running[present].nonzero()[:, 0]
            if 0 < len(staying) <= len(present) * (1 - 1 / CLOSE_RANKS):
                group = group.only(staying.tolist())
                present = present[staying]
                place[present] = torch.arange(len(present))
                changed = True
            if changed:
                group.rates = [rates.lr[row] for row in present.tolist()]

    def _begin(self, members: list[int]) -> tuple[Group, Rates]:
        """A group before its first step."""
        like = self.examples.X
        parameters = drawn_parameters(
            self.spec,
            [self.seeds[m] for m in members],
            scales=[self.scales[m] for m in members],
            dtype=like.dtype,
            device=like.device,
        )
        stack = make_stack(self.spec, parameters)
        descent = Descent(
            self.optimizer,
            stack.layout,
            stack.values,
            stack.gradient,
            momentum=self.momentum,
            weight_decay=[self.decays[m] for m in members],
        )
        rates = Rates(self.schedule, [self.rates[m] for m in members], self.max_steps)
        X, Y = self.examples.of(members)
        return Group(stack, descent, X, Y, rates.lr), rates

    def _examples(self) -> int:
        return self.examples.X.shape[int(self.examples.own)]

    def polish(self, tol: float) -> None:
        """Lets Gauss-Newton go on with every replica that has come to where it takes over."""
        for r in ((self.loss <= self.tol) & ~self.diverged).nonzero()[:, 0].tolist():
            left = self.max_steps - int(self.steps[r])
            if left < 1:
                continue
            X, Y = (values[0] for values in self.examples.of([r]))
            network = network_from(self.spec, [values[r] for values in self.final])
            fit = train(
                network, X, targets=Y, tol=tol, optimizer="gauss_newton", max_steps=left,
                unit=self.units[r],
            )  # fmt: skip
            for values, parameter in zip(self.final, network.parameters(), strict=True):
                values[r] = parameter.detach()
            self.polishing[r] = fit

    def fit(self, r: int, tol: float, settings: dict[str, Any]) -> Fit:
        """What has become of one replica.

        Args:
            r: Which.
            tol: The loss that counts as interpolation.
            settings: Its settings, as recorded.
        """
        steps, loss, seconds = int(self.steps[r]), float(self.loss[r]), float(self.seconds[r])
        column, noted = self.rows[r]
        rows = [
            HistoryRow(step=step, seconds=at, loss=float(losses[column]), lr=lr[column])
            for step, at, losses, lr in noted.rows
            if step < steps
        ]
        last = next((row[3] for row in reversed(noted.rows) if row[0] <= steps), None)
        lr = self.rates[r] if last is None else last[column]
        rows.append(HistoryRow(step=steps, seconds=seconds, loss=loss, lr=lr))
        polished = self.polishing.get(r)
        if polished is not None and polished.steps:
            rows.extend(
                row.model_copy(update={"step": row.step + steps, "seconds": row.seconds + seconds})
                for row in polished.history
            )
            steps, loss = steps + polished.steps, polished.loss
            seconds += polished.seconds
        converged = loss <= tol
        if polished is not None or converged:
            reason = "" if polished is None else polished.reason
        elif self.diverged[r]:
            reason = "the loss diverged"
        else:
            reason = f"max_steps={settings['max_steps']} was reached"
        record = TrainingRecord(
            **settings, steps=steps, loss=loss, converged=converged, seconds=seconds,
            history=tuple(rows), reason=reason,
        )  # fmt: skip
        return Fit(loss, steps, converged, seconds, record.history, record, reason=reason)

    def _progress(self, step: int, seconds: float, losses: Tensor) -> ReplicaProgress:
        lost = int(self.diverged.sum())
        left = int(self.left.sum())
        return ReplicaProgress(
            step=step,
            seconds=seconds,
            running=len(self.left) - left,
            converged=left - lost,
            diverged=lost,
            loss=float(losses.max()) if len(losses) else math.nan,
        )


_Rows = History[tuple[int, float, Tensor, list[float]]]


def each(name: str, value: float | Sequence[float] | Any, count: int) -> list[float]:
    """A number for each replica: the same one, or as many as there are.

    Raises:
        MnemoscopeError: there are more or fewer, or they are no numbers.
    """
    try:
        if isinstance(value, int | float):
            return [float(value)] * count
        values = [float(v) for v in value]
    except (TypeError, ValueError) as error:
        raise MnemoscopeError(
            f"{name}={value!r}",
            expected="a number, or one for each replica",
            todo="pass numbers",
        ) from error
    if len(values) != count or not all(map(math.isfinite, values)):
        raise MnemoscopeError(
            f"{len(values)} values of {name} for {count} replicas",
            expected="one number for all, or one for each, all of them finite",
            todo=f"pass {count}",
        )
    return values


def _units(X: Tensor, own: bool, count: int) -> list[float]:
    """The unit of each replica's examples."""
    return [unit_of(x) for x in X] if own else [unit_of(X)] * count


def _check(spec: Spec, seeds: list[int], optimizer: str) -> None:
    if not isinstance(spec, Spec):
        raise MnemoscopeError(
            f"a {type(spec).__name__} to build replicas from",
            expected="a spec",
            todo="pass mn.nets.FullyConnected(shape=...) itself, without .build",
        )
    if not seeds:
        raise MnemoscopeError(
            "no seeds", expected="a seed for each network", todo="pass seeds=range(64)"
        )
    if optimizer not in FIRST_ORDER:
        raise MnemoscopeError(
            f"optimizer={optimizer!r} for many networks at once",
            expected=f"one of {', '.join(FIRST_ORDER)}",
            todo="train them one by one with mn.train, or end with polish=True",
        )


def _tell_of_divergence(diverged: Tensor, seeds: list[int], rates: list[float]) -> None:
    lost = diverged.nonzero()[:, 0].tolist()
    if not lost:
        return
    shown = ", ".join(f"{r} (seed {seeds[r]}, lr {rates[r]:.3g})" for r in lost[:5])
    more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
    warnings.warn(
        f"{len(lost)} of {len(seeds)} replicas diverged and were taken out: {shown}{more}; "
        "try a lower lr, another optimizer or another init",
        DivergenceWarning,
        stacklevel=3,
    )
