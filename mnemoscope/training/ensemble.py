"""`train_replicas`: many networks of one spec, fitted at once as if each were alone."""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import DivergenceWarning, MnemoscopeError
from mnemoscope.base.provenance import versions
from mnemoscope.nets import FinishRecord, HistoryRow, Spec
from mnemoscope.nets.stack import drawn_parameters, make_stack, network_from
from mnemoscope.training.examples import Examples, Order, checked_examples
from mnemoscope.training.finishing import (
    finish_last_layer,
    finished_at,
    record_of_finish,
    relative_update,
)
from mnemoscope.training.fit import Fit, History, ReplicaProgress, fit_of
from mnemoscope.training.group import Descent, Group, shares
from mnemoscope.training.networks import whole_loss
from mnemoscope.training.noise import input_noise
from mnemoscope.training.options import FIRST_ORDER, PER_REPLICA, TrainingOptions, with_changes
from mnemoscope.training.replicas import Replicas
from mnemoscope.training.schedules import (
    LOOK,
    ROUND,
    LearningRates,
    finish_from,
    largest_loss,
    next_finish,
    promising,
)
from mnemoscope.training.settling import SETTLED, Settling, probe_each
from mnemoscope.training.single import train

CLOSE_RANKS = 8
"""A group is rebuilt when one replica in this many has left; until then it is computed on."""


def train_replicas(
    spec: Spec,
    X: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"],
    options: TrainingOptions | Sequence[TrainingOptions] | None = None,
    *,
    seeds: int | Iterable[int] | None = None,
    targets: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"] | None = None,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
    on_progress: Callable[[ReplicaProgress], object] | None = None,
) -> Replicas:
    """Fits many networks of one spec at once; each comes out as `train` would have made it alone.

    Replica `r` is `spec.build(seed=seeds[r])`, trained like `train` with that seed: the same
    initial weights, the same examples in every step, the same rules for its rate and its end, the
    same numbers but for rounding. Products are batched, so that what a step costs beyond arithmetic
    is paid once. A replica that has reached `tol` changes no more and leaves; so does one that
    diverges. No replica's numbers depend on the others'.

    On a CPU replicas are trained in groups whose parameters fit into the cache, one group after the
    other; see `mnemoscope.training.group`. Memory: all parameters (with a finish, those of the
    finished replicas twice), and about six times those of a group.

    Args:
        spec: What each network is built from.
        X: `(n, *shape)`, the examples of all; or `(R, n, *shape)`, those of each.
        options: How to train, with an optimizer of first order: for all of them, or for each its
            own, which may differ in `lr`, `weight_decay`, `init_scale` and `seed`; default:
            `TrainingOptions()`.
        seeds: A seed for each network, of its weights and the order of its examples; a number `R`
            means `range(R)`; default: the seeds of the options.
        targets: Of the shape of `X`: what to map each example to; default: the example itself.
        batch_size: Instead of `options.batch_size`.
        device: Where the networks are trained.
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
    if not isinstance(spec, Spec):
        raise MnemoscopeError(
            f"a {type(spec).__name__} to build replicas from",
            expected="a spec",
            todo="pass mn.nets.FullyConnected(shape=...) itself, without .build",
            field="spec",
        )
    each = _options_of_each(options, seeds, batch_size)
    dtype = getattr(torch, each[0].dtype or "float32")
    examples = checked_examples(X, targets, ndim=len(spec.shape) + 2, dtype=dtype, device=device)
    _check_shape(spec, examples, len(each))
    each = [
        one.resolved(
            examples.count,
            unit=one.unit or examples.unit(r),
            dtype=str(dtype).removeprefix("torch."),
        )
        for r, one in enumerate(each)
    ]
    ensemble = _Ensemble(spec, examples, each, on_progress)
    ensemble.run()
    ensemble.finish()
    known = versions()
    fits = tuple(ensemble.fit(r, known) for r in range(len(each)))
    _warn_of_divergence(ensemble.diverged, each)
    return Replicas(
        spec=spec,
        fits=fits,
        diverged=ensemble.diverged,
        seconds=time.perf_counter() - begun,
        parameters=tuple(ensemble.final),
    )


class _Ensemble:
    """All replicas: how they are trained, and the state in which each has left its group.

    Attributes:
        final: `(R, *shape)` each, the parameters of those that have left.
        left: `(R,)`, which have left.
        ready: `(R,)`, which of them reached the loss of their finish.
        settled: `(R,)`, which of them left since contraction no longer changed.
        diverged: `(R,)`, which of them diverged.
        finishes: The records of finishes.
        newtons: The trainings by Gauss-Newton that finished replicas.
        solves: What became of the solve of each replica that has left for its finish.
    """

    def __init__(
        self,
        spec: Spec,
        examples: Examples,
        options: Sequence[TrainingOptions],
        on_progress: Callable[[ReplicaProgress], object] | None,
    ) -> None:
        self.spec, self.examples, self.options = spec, examples, options
        self.on_progress = on_progress
        self.squares = torch.tensor([one.unit for one in options], dtype=torch.float64).square()
        count, like = len(options), examples.X
        self.final = [like.new_empty(count, *p.shape) for p in spec.outline().parameters()]
        self.left = torch.zeros(count, dtype=torch.bool)
        self.ready = torch.zeros(count, dtype=torch.bool)
        self.settled = torch.zeros(count, dtype=torch.bool)
        self.diverged = torch.zeros(count, dtype=torch.bool)
        self.loss = torch.full((count,), torch.nan, dtype=torch.float64)
        self.steps = torch.zeros(count, dtype=torch.int64)
        self.seconds = torch.zeros(count, dtype=torch.float64)
        # The history of a replica's group, and its row in it.
        self.histories: dict[int, tuple[int, _Rows]] = {}
        self.finishes: dict[int, FinishRecord] = {}
        self.newtons: dict[int, Fit] = {}
        self.solves: dict[int, _Solve] = {}

    def run(self) -> None:
        """Trains one group after the other."""
        one = self.examples.X[0] if self.examples.own else self.examples.X
        for members in shares(self.spec, one, len(self.options), self.examples.X):
            _GroupRun(self, members).run()

    def finish(self) -> None:
        """Applies the finish to every replica that has reached the loss where it takes over."""
        if self.options[0].finish == "none":
            return
        changes: dict[int, _Values] = {}
        for r in (self.ready & ~self.diverged).nonzero()[:, 0].tolist():
            solve = self.solves.get(r)
            if solve is None or solve.outcome == "unable":
                changes[r] = self._by_gauss_newton(r)
            elif solve.outcome == "done":
                changes[r] = solve.values
        rows = [r for r, values in changes.items() if values]
        if not rows:
            return
        before = self._radii(rows)
        updates = {r: self._update(r, changes[r]) for r in rows}
        for r, then, now in zip(rows, before, self._radii(rows), strict=True):
            self.finishes[r] = record_of_finish(
                "gauss_newton" if r in self.newtons else "least_squares",
                float(self.loss[r]),
                update=updates[r],
                count=self.examples.count,
                radii=(then, now),
            )

    def _update(self, r: int, change: "_Values") -> float:
        """Changes parameters of a replica; returns the norm of the change, relative to theirs."""
        pairs = [(now, self.final[i][r]) for i, now in change.items()]
        update = relative_update(pairs)
        for now, final in pairs:
            final.copy_(now)
        return update

    def _radii(self, rows: list[int]) -> list[list[float]]:
        """Returns the spectral radii of some replicas at their probed examples."""
        X = [self.examples_of(r)[0] for r in rows]
        return probe_each(self.spec, [values[rows] for values in self.final], X)

    def _by_gauss_newton(self, r: int) -> "_Values":
        """Returns the parameters of a replica after Gauss-Newton; none if no step is left."""
        options = self.options[r]
        left = options.max_steps - int(self.steps[r])
        if left < 1:
            return {}
        X, Y = self.examples_of(r)
        newton = TrainingOptions(
            optimizer="gauss_newton",
            tol=finished_at(options, Y),
            max_steps=left,
            unit=options.unit,
        )
        network = network_from(self.spec, [values[r] for values in self.final])
        self.newtons[r] = train(network, X, newton, targets=Y)
        return dict(enumerate(p.detach() for p in network.parameters()))

    def fit(self, r: int, known_versions: dict[str, str]) -> Fit:
        """Returns the result of replica `r`."""
        options = self.options[r]
        steps, loss, seconds = int(self.steps[r]), float(self.loss[r]), float(self.seconds[r])
        column, history = self.histories[r]
        rows = [
            HistoryRow(step=step, seconds=at, loss=float(losses[column]), lr=lr[column])
            for step, at, losses, lr in history.rows
            if step < steps
        ]
        last = next((row[3] for row in reversed(history.rows) if row[0] <= steps), None)
        lr = options.first_rate if last is None else last[column]
        rows.append(HistoryRow(step=steps, seconds=seconds, loss=loss, lr=lr))
        reason = f"max_steps={options.max_steps} was reached"
        if self.diverged[r]:
            reason = "the loss diverged"
        elif self.settled[r]:
            reason = SETTLED
        newton = self.newtons.get(r)
        if newton is not None:
            reason = newton.reason
            rows.extend(
                row.model_copy(update={"step": row.step + steps, "seconds": row.seconds + seconds})
                for row in newton.record.history
            )
        solve = self.solves.get(r)
        if solve is not None and solve.outcome == "done":
            rows[-1] = rows[-1].model_copy(update={"loss": solve.loss})
        provenance = {**self.examples.provenance(r), "versions": known_versions}
        return fit_of(options, provenance, rows, reason=reason, finish=self.finishes.get(r))

    def examples_of(self, r: int) -> tuple[Tensor, Tensor]:
        """Returns the examples and targets of replica `r`."""
        X, Y = (values[0] for values in self.examples.of([r]))
        return X, Y

    def progress(self, step: int, seconds: float, losses: Tensor) -> None:
        """Reports the state of a group that is in training."""
        if self.on_progress is None:
            return
        diverged, left = int(self.diverged.sum()), int(self.left.sum())
        self.on_progress(
            ReplicaProgress(
                step=step,
                seconds=seconds,
                running=len(self.left) - left,
                converged=left - diverged,
                diverged=diverged,
                loss=float(losses.max()) if len(losses) else math.nan,
            )
        )


_Values = dict[int, Tensor]
"""Parameters of a replica by their place in the network's own order."""


@dataclass(frozen=True)
class _Solve:
    """What became of the solve of a replica's last layer.

    Attributes:
        outcome: As in `Solved`.
        values: The parameters that it changes.
        loss: The loss after it; NaN if nothing changes.
    """

    outcome: str
    values: _Values
    loss: float = math.nan


_Rows = History[tuple[int, float, Tensor, list[float]]]


class _GroupRun:
    """A group under way, until every replica of it has left.

    Attributes:
        present: The members that are still computed: rows of the group as it was at first.
        place: The row of each member in the group as it is now.
        running: Which members have not left.
        settling: How long contraction at the examples of each has not changed.
        goals: The loss at which each has done its part, or may be finished.
    """

    def __init__(self, ensemble: _Ensemble, members: list[int]) -> None:
        self.ensemble, self.members = ensemble, torch.tensor(members)
        options = [ensemble.options[m] for m in members]
        self.options = options[0]
        self.rates = LearningRates(options)
        self.group = _begin(ensemble.spec, ensemble.examples, members, options, self.rates.lr)
        examples = ensemble.examples
        self.order = Order(examples.count, [one.seed for one in options], examples.X.device)
        self.rows: _Rows = History()
        ensemble.histories |= {member: (row, self.rows) for row, member in enumerate(members)}
        self.squares = ensemble.squares[self.members]
        self.running = torch.ones(len(members), dtype=torch.bool)
        self.present = torch.arange(len(members))
        self.place = torch.arange(len(members))
        self.goals = torch.full((len(members),), finish_from(self.options), dtype=torch.float64)
        self.settling = [Settling()] * len(members)
        self.step = self.round = 0
        self.begun = time.perf_counter()

    def run(self) -> None:
        """Trains the group."""
        full_batch = self.options.batch_size == self.ensemble.examples.count
        first = self._losses()
        bound = torch.tensor([largest_loss(value) for value in first.tolist()])
        self._leave(~torch.isfinite(first), first, diverged=True)
        self._leave(self._ready(self.running & (first <= self.goals), first), first)
        while bool(self.running.any()):
            before = self.step
            seen = self._round(full_batch=full_batch)
            self.rows.note(self.round, (self.step, self._seconds(), seen, self.rates.lr))
            self._leave(self.running & ~(seen <= bound), seen, diverged=True)
            last = self.step >= self.options.max_steps
            limits = promising(self.goals, full_batch=full_batch)
            looked_at = self.running & ((seen <= limits) | (self.round % LOOK == 0) | last)
            if bool(looked_at.any()):
                now = self._losses()
                self._leave(looked_at & ~(now <= bound), now, diverged=True)
                over = last and self.options.finish == "least_squares"
                ready = self._ready(self.running & looked_at & ((now <= self.goals) | over), now)
                self._leave(ready | (self.running & looked_at & last), now)
            if self.options.stop == "contraction":
                self._watch_contraction(seen)
            self.ensemble.progress(self.step, self._seconds(), seen[self.running])
            changed = self.rates.after(seen.nan_to_num(), self.step - before)
            if self._close_ranks() or changed:
                self.group.rates = [self.rates.lr[row] for row in self.present.tolist()]

    def _ready(self, reached: Tensor, losses: Tensor) -> Tensor:
        """Returns which are ready for their end; others must come to a lower loss before it."""
        ready, ensemble = reached.clone(), self.ensemble
        if self.options.finish == "least_squares":
            for row in reached.nonzero()[:, 0].tolist():
                again = self._next_finish(row, float(losses[row]))
                if again is not None:
                    self.goals[row], ready[row] = again, False
        ensemble.ready[self.members[ready]] = True
        return ready

    def _watch_contraction(self, seen: Tensor) -> None:
        """Ends the part of members at whose examples contraction no longer changes."""
        rows = [
            row
            for row in self.running.nonzero()[:, 0].tolist()
            if self.settling[row].due(self.step, float(seen[row]))
        ]
        if rows:
            X = [self.ensemble.examples_of(r)[0] for r in self.members[rows].tolist()]
            now = [values[self.place[rows]] for values in self.group.stack.parameters]
            for row, radii in zip(rows, probe_each(self.ensemble.spec, now, X), strict=True):
                self.settling[row] = self.settling[row].after(radii, self.step)
        over = torch.zeros_like(self.running)
        over[[row for row in rows if self.settling[row].over]] = True
        if bool(over.any()):
            self.ensemble.settled[self.members[over]] = True
            now = self._losses()
            self.goals = torch.where(over, torch.maximum(self.goals, now), self.goals)
            self._leave(self._ready(over, now), now)

    def _next_finish(self, row: int, loss: float) -> float | None:
        """Returns the loss at which to try the finish of a member again; None: it has its turn."""
        r, ensemble = int(self.members[row]), self.ensemble
        options, place = ensemble.options[r], int(self.place[row])
        before = [values[place] for values in self.group.stack.parameters]
        network = network_from(ensemble.spec, before)
        X, Y = ensemble.examples_of(r)
        solved = finish_last_layer(network, X, Y, options, step=self.step)
        again = next_finish(solved, loss, options)
        if again is None:
            pairs = enumerate(zip(network.parameters(), before, strict=True))
            values = {i: p.detach() for i, (p, old) in pairs if not torch.equal(p, old)}
            after = whole_loss(network, X, Y) / float(self.squares[row]) if values else math.nan
            ensemble.solves[r] = _Solve(solved.outcome, values, after)
        return again

    def _round(self, *, full_batch: bool) -> Tensor:
        """Takes a round of full-batch steps, or a pass over the mini-batches: losses on the way."""
        left = self.options.max_steps - self.step
        if self.group.noise is not None:
            self.group.noise.begin(self.round)
        if full_batch:
            taken = min(ROUND, left)
            losses = self.group.descend(taken)
        else:
            order = self.order.epoch(self.round)[self.present]
            taken, losses = self.group.epoch(order, self.options.batch_size or 1, left)
        self.step += taken
        self.round += 1
        return self._spread(losses)

    def _losses(self) -> Tensor:
        """Computes the loss of each member as it is now; NaN if it is no longer computed."""
        return self._spread(self.group.losses())

    def _spread(self, losses: Tensor) -> Tensor:
        everyone = torch.full((len(self.members),), torch.nan, dtype=torch.float64)
        return everyone.index_copy(0, self.present, losses / self.squares[self.present])

    def _leave(self, leaving: Tensor, losses: Tensor, *, diverged: bool = False) -> None:
        if not bool(leaving.any()):
            return
        ensemble, out = self.ensemble, self.members[leaving]
        self.running.masked_fill_(leaving, False)
        ensemble.left[out] = True
        ensemble.diverged[out] = diverged
        ensemble.loss[out], ensemble.steps[out] = losses[leaving], self.step
        ensemble.seconds[out] = self._seconds()
        rows = self.place[leaving].to(ensemble.examples.X.device)
        for values, now in zip(ensemble.final, self.group.stack.parameters, strict=True):
            values[out.to(values.device)] = now[rows]

    def _close_ranks(self) -> bool:
        """Rebuilds the group from those that have not left, if enough have; True if it did."""
        staying = self.running[self.present].nonzero()[:, 0]
        if not 0 < len(staying) <= len(self.present) * (1 - 1 / CLOSE_RANKS):
            return False
        self.group = self.group.only(staying.tolist())
        self.present = self.present[staying]
        self.place[self.present] = torch.arange(len(self.present))
        return True

    def _seconds(self) -> float:
        return time.perf_counter() - self.begun


def _begin(
    spec: Spec,
    examples: Examples,
    members: list[int],
    options: Sequence[TrainingOptions],
    rates: Sequence[float],
) -> Group:
    """Returns a group before its first step."""
    parameters = drawn_parameters(
        spec,
        [one.seed for one in options],
        scales=[one.init_scale for one in options],
        dtype=examples.X.dtype,
        device=examples.X.device,
    )
    stack = make_stack(spec, parameters)
    descent = Descent(
        options[0].optimizer,
        stack,
        momentum=options[0].momentum,
        weight_decay=[one.weight_decay for one in options],
    )
    return Group(stack, descent, *examples.of(members), rates, input_noise(options))


def _options_of_each(
    options: TrainingOptions | Sequence[TrainingOptions] | None,
    seeds: int | Iterable[int] | None,
    batch_size: int | None,
) -> list[TrainingOptions]:
    """Returns the options of each replica, which differ only where they may."""
    several = isinstance(options, Sequence)
    each = list(options) if isinstance(options, Sequence) else [options or TrainingOptions()]
    if seeds is not None:
        own = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
        if several and len(own) != len(each):
            raise MnemoscopeError(
                f"{len(each)} options for {len(own)} seeds",
                expected="one of them for all, or one for each seed",
                todo=f"pass {len(own)} options",
                field="options",
            )
        each = each if several else each * len(own)
        each = [replace(one, seed=seed) for one, seed in zip(each, own, strict=True)]
    elif not several:
        each = []
    if not each:
        raise MnemoscopeError(
            "no seeds",
            expected="a seed for each network",
            todo="pass seeds=range(64)",
            field="seeds",
        )
    for field in fields(TrainingOptions):
        values = {getattr(one, field.name) for one in each}
        if len(values) > 1 and field.name not in PER_REPLICA:
            raise MnemoscopeError(
                f"replicas with {field.name} {' and '.join(map(str, sorted(values, key=str)))}",
                expected=f"replicas that differ in {', '.join(PER_REPLICA)} at most",
                todo="train them in several calls",
                field=field.name,
            )
    each = [with_changes(one, batch_size=batch_size) for one in each] if batch_size else each
    if each[0].optimizer not in FIRST_ORDER:
        raise MnemoscopeError(
            f"optimizer={each[0].optimizer!r} for many networks at once",
            expected=f"one of {', '.join(FIRST_ORDER)}",
            todo="train them one by one with mn.train, or use finish='gauss_newton'",
            field="optimizer",
            choices=FIRST_ORDER,
        )
    return each


def _check_shape(spec: Spec, examples: Examples, count: int) -> None:
    shape = tuple(examples.X.shape)
    if shape[examples.own + 1 :] != spec.shape or (examples.own and shape[0] != count):
        raise MnemoscopeError(
            f"examples of shape {shape} for {count} networks of states {spec.shape}",
            expected=f"(n, *shape) for all of them, or ({count}, n, *shape), each its own",
            todo="reshape the examples, or build the networks for their shape",
            field="X",
        )


def _warn_of_divergence(diverged: Tensor, options: Sequence[TrainingOptions]) -> None:
    lost = diverged.nonzero()[:, 0].tolist()
    if not lost:
        return
    shown = ", ".join(
        f"{r} (seed {options[r].seed}, lr {options[r].first_rate:.3g})" for r in lost[:5]
    )
    more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
    warnings.warn(
        f"{len(lost)} of {len(options)} replicas diverged and were taken out: {shown}{more}; "
        "try a lower lr, another optimizer or another init",
        DivergenceWarning,
        stacklevel=3,
    )
