"""`train_replicas`: many networks of one spec, fitted at once as if each were alone."""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.errors import DivergenceWarning, MnemoscopeError
from mnemoscope.nets import HistoryRow, Spec, TrainingRecord
from mnemoscope.nets.stack import drawn_parameters, network_from
from mnemoscope.provenance import checksum, versions
from mnemoscope.training.batches import Order
from mnemoscope.training.checks import check_data, check_finite, check_settings
from mnemoscope.training.descent import FIRST_ORDER
from mnemoscope.training.fit import Fit
from mnemoscope.training.group import Examples, Group, begun, regrouped
from mnemoscope.training.history import History
from mnemoscope.training.judgement import LOOK, ROUND, largest_loss, promising
from mnemoscope.training.optimizers import optimizer_kind
from mnemoscope.training.replicas import ReplicaProgress, Replicas
from mnemoscope.training.schedules import Rates
from mnemoscope.training.train import POLISH_FROM, POLISHED, train

REGROUP = 8
"""The groups are made anew when one replica in so many has left: until then it is computed on."""


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

    On a CPU replicas are worked on in groups whose parameters fit into the cache; see
    `mnemoscope.training.group`. Memory: about six times all parameters.

    Args:
        spec: What each network is built from.
        X: `(n, *shape)`, the examples of all; or `(R, n, *shape)`, those of each.
        seeds: A seed for each network, of its weights and the order of its examples; a number `R`
            stands for `range(R)`.
        targets: Of the shape of `X`: what to map each example to; the example itself if left out.
        tol: The loss that counts as interpolation.
        optimizer: `adam`, `gradient_descent` (with momentum) or `rmsprop`.
        lr: Learning rate to begin with: one, or one for each; by default as `train`'s.
        schedule: `plateau`, `cosine` or `constant`, as `train` has them; each replica by itself.
        batch_size: Examples in each step; all of them if left out.
        max_steps: Steps after which a replica ends without having converged.
        momentum: Of gradient descent.
        weight_decay: One, or one for each; decoupled for Adam, an L2 penalty otherwise.
        init_scale: What the drawn weights and biases are multiplied by: one, or one for each.
        polish: Whether each one goes on with Gauss-Newton from a loss of 1e-4; see `train`.
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
        >>> replicas.spectral_radius(X).shape
        torch.Size([3, 5])
    """
    begun_at = time.perf_counter()
    seeds = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    count = len(seeds)
    kind = optimizer_kind(optimizer)
    _check(spec, seeds, optimizer)
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
    parameters = drawn_parameters(spec, seeds, scales=scales, dtype=dtype, device=device)
    data = X.detach().to(device=device, dtype=dtype)
    goal = data if targets is None else targets.detach().to(device=device, dtype=dtype)
    check_finite(data, goal)
    examples = Examples(data, goal, own)
    herd = _Herd(
        begun(
            spec, parameters, examples, rates,
            optimizer=optimizer, momentum=momentum, weight_decay=decays,
        ),
        parameters,
        examples,
        Rates(schedule, rates, max_steps),
        Order(n, seeds, data.device),
        tol=max(tol, POLISH_FROM) if polish else tol,
        batch_size=size,
        max_steps=max_steps,
    )  # fmt: skip
    herd.run(begun_at, on_progress)
    checks = [checksum(x) for x in X] if own else [checksum(X)] * count
    told = versions()
    settings = [
        {
            "optimizer": optimizer, "lr": rates[r], "schedule": schedule, "batch_size": size,
            "tol": tol, "max_steps": max_steps, "momentum": momentum, "weight_decay": decays[r],
            "init_scale": scales[r], "polish": polish, "seed": seeds[r], "examples": n,
            "data_checksum": checks[r], "targets": targets is not None, "versions": told,
        }
        for r in range(count)
    ]  # fmt: skip
    if polish:
        herd.polish(spec, min(tol, POLISHED))
    fits = tuple(herd.fit(r, tol, settings[r]) for r in range(count))
    _tell_of_divergence(herd.diverged, seeds, rates)
    return Replicas(
        spec=spec,
        fits=fits,
        diverged=herd.diverged,
        seconds=time.perf_counter() - begun_at,
        parameters=tuple(parameters),
        own_data=own,
    )


class _Herd:
    """All replicas under way, in their groups; what each has come to once it has left.

    Attributes:
        diverged: `(R,)`, which of them diverged.
    """

    def __init__(
        self,
        groups: list[Group],
        final: list[Tensor],
        examples: Examples,
        rates: Rates,
        order: Order,
        *,
        tol: float,
        batch_size: int,
        max_steps: int,
    ) -> None:
        self.groups, self.final, self.examples = groups, final, examples
        self.rates, self.order = rates, order
        self.tol, self.batch_size, self.max_steps = tol, batch_size, max_steps
        count = len(rates.lr)
        self.running = torch.ones(count, dtype=torch.bool)
        self.diverged = torch.zeros(count, dtype=torch.bool)
        self.loss = torch.full((count,), torch.nan, dtype=torch.float64)
        self.steps = torch.zeros(count, dtype=torch.int64)
        self.seconds = torch.zeros(count, dtype=torch.float64)
        self.history: History[tuple[int, float, Tensor, list[float]]] = History()
        self.polishing: dict[int, Fit] = {}
        self.step = self.round = 0

    def run(self, begun_at: float, on_progress: Callable[[ReplicaProgress], object] | None) -> None:
        """Trains until every replica has left."""
        first = self._whole(self.groups)
        bound = torch.tensor([largest_loss(loss) for loss in first.tolist()])
        self._leave(~torch.isfinite(first), first, 0.0, diverged=True)
        self._leave(self.running & (first <= self.tol), first, 0.0)
        full_batch = self.batch_size >= self.examples.X.shape[self.examples.own]
        limit = promising(self.tol, full_batch=full_batch)
        while self.groups:
            before = self.step
            seen = self._pass(full_batch)
            self.round += 1
            seconds = time.perf_counter() - begun_at
            self.history.note(self.round, (self.step, seconds, seen, self.rates.lr))
            self._leave(self.running & ~(seen <= bound), seen, seconds, diverged=True)
            last = self.step >= self.max_steps
            looked_at = self.running & ((seen <= limit) | (self.round % LOOK == 0) | last)
            if bool(looked_at.any()):
                groups = [g for g in self.groups if bool(looked_at[g.members].any())]
                whole = self._whole(groups)
                lost = looked_at & ~(whole <= bound)
                self._leave(lost, whole, seconds, diverged=True)
                done = looked_at & ~lost & ((whole <= self.tol) | last)
                self._leave(done, whole, seconds)
            if on_progress is not None:
                on_progress(self._progress(seen, seconds))
            changed = self.rates.after(seen.nan_to_num(), self.step - before)
            self._close_ranks()
            if changed:
                for group in self.groups:
                    group.rates = [self.rates.lr[member] for member in group.members]

    def polish(self, spec: Spec, tol: float) -> None:
        """Lets Gauss-Newton go on with every replica that has come to where it takes over."""
        for r in ((self.loss <= self.tol) & ~self.diverged).nonzero()[:, 0].tolist():
            left = self.max_steps - int(self.steps[r])
            if left < 1:
                continue
            X, Y = (values[0] for values in self.examples.of([r]))
            network = network_from(spec, [values[r] for values in self.final])
            fit = train(network, X, targets=Y, tol=tol, optimizer="gauss_newton", max_steps=left)
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
        rows = [
            HistoryRow(step=step, seconds=at, loss=float(losses[r]), lr=lr[r])
            for step, at, losses, lr in self.history.rows
            if step < steps
        ]
        rows.append(HistoryRow(step=steps, seconds=seconds, loss=loss, lr=self.rates.lr[r]))
        polished = self.polishing.get(r)
        if polished is not None and polished.steps:
            rows.extend(
                row.model_copy(update={"step": row.step + steps, "seconds": row.seconds + seconds})
                for row in polished.history
            )
            steps, loss = steps + polished.steps, polished.loss
            seconds += polished.seconds
        converged = loss <= tol
        record = TrainingRecord(
            **settings, steps=steps, loss=loss, converged=converged, seconds=seconds,
            history=tuple(rows),
        )  # fmt: skip
        return Fit(loss, steps, converged, seconds, record.history, record)

    def _pass(self, full_batch: bool) -> Tensor:
        """A round of full-batch steps, or a pass over mini-batches: the loss seen by each."""
        seen = torch.full_like(self.loss, torch.nan)
        left = self.max_steps - self.step
        taken = 0
        if full_batch:
            taken = min(ROUND, left)
            for group in self.groups:
                seen[group.members] = group.descend(taken)
        else:
            order = self.order.epoch(self.round)
            for group in self.groups:
                taken, losses = group.epoch(order, self.batch_size, left)
                seen[group.members] = losses
        self.step += taken
        return seen

    def _whole(self, groups: Sequence[Group]) -> Tensor:
        """The training loss of each replica in these groups; NaN for the others."""
        whole = torch.full_like(self.loss, torch.nan)
        for group in groups:
            whole[group.members] = group.losses()
        return whole

    def _leave(
        self, leaving: Tensor, loss: Tensor, seconds: float, *, diverged: bool = False
    ) -> None:
        """Notes what those that leave have come to, and keeps their weights."""
        if not bool(leaving.any()):
            return
        self.running &= ~leaving
        self.diverged |= leaving & diverged
        self.loss[leaving] = loss[leaving]
        self.steps[leaving] = self.step
        self.seconds[leaving] = seconds
        for group in self.groups:
            rows = leaving[group.members].nonzero()[:, 0]
            members = [group.members[row] for row in rows.tolist()]
            if members:
                for values, own in zip(self.final, group.stack.parameters, strict=True):
                    values[members] = own[rows.to(own.device)]

    def _close_ranks(self) -> None:
        present = sum(len(group.members) for group in self.groups)
        staying = int(self.running.sum())
        if staying == 0:
            self.groups = []
        elif (present - staying) * REGROUP >= present:
            members = set(self.running.nonzero()[:, 0].tolist())
            self.groups = regrouped(self.groups, members, self.examples, self.rates.lr)

    def _progress(self, seen: Tensor, seconds: float) -> ReplicaProgress:
        running = int(self.running.sum())
        lost = int(self.diverged.sum())
        return ReplicaProgress(
            step=self.step,
            seconds=seconds,
            running=running,
            converged=len(seen) - running - lost,
            diverged=lost,
            loss=float(seen[self.running].max()) if running else math.nan,
        )


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
