"""`audit_within`: an audit that is planned for a time, and says what it left out.

The cost of a part of an audit is taken to be `a + b u` with `u` the amount of work in it, such as
the number of examples or of starts. Two pilots give `a` and `b`. Of all amounts asked for the same
share is done, the largest whose predicted cost fits, but not less than `FEWEST`.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.check import seed as checked_seed
from mnemoscope.base.check import whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.provenance import checksum
from mnemoscope.data.given import given_examples
from mnemoscope.maps import SelfMap
from mnemoscope.maps.self_map import Stage, as_self_map
from mnemoscope.measure.auditing import audit
from mnemoscope.measure.negative_controls import EACH, EXAMPLES, TRIALS
from mnemoscope.measure.options import AuditOptions, AuditRun
from mnemoscope.measure.parts import Interrupted, Parts
from mnemoscope.measure.pictures import NOISE_STRIPS, RECALL_STRIPS, SIDE
from mnemoscope.measure.subject import check_whole_set, in_one_unit
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import Planned


class Amounts(NamedTuple):
    """How much of each kind of work an audit does."""

    examples: int
    starts: int
    trials: int
    certificates: int


FEWEST = Amounts(examples=10, starts=50, trials=1, certificates=0)
"""What is done in any case, unless less was asked for: fewer say hardly anything."""


@dataclass(frozen=True)
class Effort:
    """What an audit may take.

    Attributes:
        minutes: The time it is planned for, pilots included (min).
        examples: Training examples to audit at most (default: all).
        starts: Starts of each distribution, at most.
        trials: Corrupted copies, at most.
        certificates: Examples whose attractors are to be proved, at most.

    Raises:
        MnemoscopeError: a number is out of range.
    """

    minutes: float
    examples: int | None = None
    starts: int = 1000
    trials: int = 10
    certificates: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.minutes < math.inf:
            raise MnemoscopeError(
                f"minutes={self.minutes}", expected="a time above 0", todo="pass for example 5"
            )
        if self.examples is not None:
            whole_number("examples", self.examples, least=1)
        for name in ("starts", "trials"):
            whole_number(name, getattr(self, name), least=1)
        whole_number("certificates", self.certificates, least=0)

    def asked(self, n: int) -> Amounts:
        """Returns the amounts asked for, of `n` examples."""
        examples = n if self.examples is None else min(n, self.examples)
        return Amounts(examples, self.starts, self.trials, self.certificates)


def share_of(asked: Amounts, share: float) -> Amounts:
    """Returns the same share of each amount, rounded down, but not less than `FEWEST`."""
    each = zip(FEWEST, asked, strict=True)
    return Amounts(*(max(min(fewest, amount), int(share * amount)) for fewest, amount in each))


UNITS: dict[str, Callable[[Amounts], float]] = {
    "the examples": lambda amounts: amounts.examples,
    "orbits from noise": lambda amounts: amounts.starts,
    "orbits from corrupted examples": lambda amounts: amounts.examples * amounts.trials,
    "certificates": lambda amounts: min(amounts.certificates, amounts.examples),
}
"""The amount of work in the parts of an audit that pilots time, by their names; that in the others
does not depend on the amounts."""


@dataclass(frozen=True)
class Costs:
    """What the parts of an audit cost."""

    fixed: Mapping[str, float]
    each: Mapping[str, float]

    def of(self, amounts: Amounts) -> float:
        """Predicts the seconds of an audit with these amounts."""
        work = sum(self.each[part] * UNITS[part](amounts) for part in self.each)
        return sum(self.fixed.values()) + work


def costs(*pilots: tuple[Amounts, Mapping[str, float]]) -> Costs:
    """Computes costs from the amounts of one or two pilots and the seconds of their parts.

    With one pilot all of a part's time is taken for work, and so it is where the second pilot was
    not slower: predictions err on the side of less work.
    """
    fixed: dict[str, float] = {}
    each: dict[str, float] = {}
    amounts, seconds = pilots[-1]
    for part, taken in seconds.items():
        if part not in UNITS:
            fixed[part] = taken
            continue
        units, slope = UNITS[part](amounts), 0.0
        if len(pilots) == 2:
            first, before = pilots[0]
            more = units - UNITS[part](first)
            slope = (taken - before.get(part, 0.0)) / more if more > 0 else 0.0
        if slope <= 0:
            slope = taken / units if units else 0.0
        each[part] = slope
        fixed[part] = max(0.0, taken - slope * units)
    return Costs(fixed, each)


def optional(known: Costs, amounts: Amounts, held_out: int) -> dict[str, float]:
    """Predicts the seconds of the parts that may be left out, the most useful first.

    Pilots leave them out: each does what other parts do, a known number of times.
    """
    example = known.each.get("the examples", 0.0)
    # A start of each distribution.
    starts = known.each.get("orbits from noise", 0.0)
    copy = known.each.get("orbits from corrupted examples", 0.0)
    examples, trials = min(amounts.examples, EXAMPLES), min(amounts.trials, TRIALS)
    # The trained map, one with fresh weights, and the trained map at held-out states.
    maps = 3 if held_out else 2
    control = examples * (example + copy * trials) + starts * min(amounts.starts, EACH)
    seconds = {"controls": maps * control}
    if held_out:
        seconds["orbits from held-out data"] = held_out * starts
        seconds["membership"] = held_out * example + (held_out + amounts.examples) * starts
    strips = min(amounts.examples, RECALL_STRIPS) + NOISE_STRIPS
    return {**seconds, "pictures of orbits": strips * starts, "basins on a plane": SIDE**2 * starts}


def affordable(known: Costs, asked: Amounts, seconds: float) -> Amounts:
    """Finds the largest share of all amounts that fits into a time; at least `FEWEST`."""
    if known.of(asked) <= seconds:
        return asked
    low, high = 0.0, 1.0
    # Halved to less than one start of a million.
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if known.of(share_of(asked, middle)) <= seconds else (low, middle)
        )
    return share_of(asked, low)


def left_out(asked: Amounts, done: Amounts) -> list[str]:
    """Says what of the amounts asked for is not done: `900 of 1,000 examples`."""
    words = (
        "examples",
        "starts of each distribution",
        "corrupted copies of each example and strength",
        "certificates",
    )
    return [
        f"{amount - part:,} of {amount:,} {what}"
        for amount, part, what in zip(asked, done, words, strict=True)
        if part < amount
    ]


PILOTS = (
    Amounts(examples=3, starts=16, trials=1, certificates=1),
    Amounts(examples=12, starts=64, trials=2, certificates=2),
)
"""What is timed."""

SECOND = 1 / 8
"""Share of the time that the first pilot may have taken for the second one to be done."""

OPTIONAL = (
    "orbits from held-out data",
    "basins on a plane",
    "pictures of orbits",
    "membership",
    "controls",
)
"""Parts that pilots leave out, and the audit where they do not fit."""

MOST = 0.5
"""Share of the time that is left which an optional part may take."""

RESERVE = 0.8
"""Share of the remaining time that is planned for: predictions from pilots are rough."""

_log = logging.getLogger("mnemoscope")


def audit_within(
    f: Stage | SelfMap,
    X: Float[Tensor, "n *shape"],
    effort: Effort,
    options: AuditOptions | None = None,
    *,
    held_out: Float[Tensor, "h *shape"] | None = None,
    seed: int = 0,
    run: AuditRun | None = None,
) -> Audit:
    """Audits as much as fits into a time.

    Two small audits are timed, and the largest share of the amounts asked for whose predicted cost
    fits is done. Controls, held-out data, pictures and the basins on a plane (`OPTIONAL`) are left
    out where they would take more than half of the time that is left, or no longer fit. Where that
    is not all examples, a random sample is audited, judged among all (`AuditRun.among`). What is
    left out is in the verdict and in `summary.planned`. The time is what is planned for, not a
    limit: an audit that takes longer than predicted is not cut off but says so, and a minimum
    (`mnemoscope.measure.within.FEWEST`) is done in any case.

    Args:
        f: The network, a `SelfMap` or any callable that acts on a batch.
        X: `(n, *shape)`, the training examples.
        effort: The time, and the maximum amounts.
        options: What is tried; its starts, trials and certificates are those of `effort`.
        held_out: `(h, *shape)`, data not trained on.
        seed: Random seed, also of the sample.
        run: How the audit is carried out and recorded; the plan is kept in a file next to its
            checkpoint, whose name ends in `.plan`. Time before an interruption counts.

    Raises:
        MnemoscopeError: as `audit`.
        Interrupted: Ctrl-C, as `audit`.

    Example:
        >>> import torch, mnemoscope as mn
        >>> X = torch.rand(20, 4, generator=torch.Generator().manual_seed(0))
        >>> effort = mn.measure.Effort(minutes=10, starts=20, trials=1)
        >>> mn.measure.audit_within(lambda z: z / 2, X, effort).summary.planned.left_out
        ()
    """
    begun = time.perf_counter()
    options, run, X = options or AuditOptions(), run or AuditRun(), given_examples(X)
    checked_seed(seed)
    f = as_self_map(f, X.shape[1:])
    check_whole_set(f, X)
    f = in_one_unit(f, X, options.tolerances, "an audit within a time")
    some = partial(_audit_some, f, X, held_out, options, seed)
    asked, limit = effort.asked(len(X)), 60 * effort.minutes
    path, identity = None, {}
    if run.checkpoint is not None:
        path = f"{os.fspath(run.checkpoint)}.plan"
        identity = {**asdict(effort), "seed": seed, "data": checksum(X)}
    parts = Parts(path, identity, X[:0])
    earlier = parts.seconds
    unseen = 0 if held_out is None else len(held_out)
    choose = partial(_plan, some, asked, unseen, limit, begun, run.on_progress)
    plan = parts.part("plan", choose, {})
    parts.save()
    done = Amounts(**plan["amounts"])
    missing = left_out(asked, done)
    _log.info(
        "planned for %.3g minutes: about %.3g s; left out: %s",
        effort.minutes,
        plan["seconds"],
        ", ".join(missing) or "nothing",
    )

    def leaves_out(part: str) -> bool:
        """Returns whether a part no longer fits; what is not optional always does."""
        if part not in OPTIONAL:
            return False
        elapsed = earlier + time.perf_counter() - begun
        return part not in plan["parts"] or elapsed + plan["parts"][part] > limit

    def with_plan(result: Audit) -> Audit:
        parts.save()
        planned = Planned(
            minutes=effort.minutes,
            predicted_seconds=plan["seconds"],
            seconds=earlier + time.perf_counter() - begun,
            asked=asked._asdict(),
            done=done._asdict(),
            left_out=(*missing, *result.summary.left_out),
        )
        return result.with_summary(planned=planned)

    try:
        return with_plan(some(done, replace(run, leaves_out=leaves_out)))
    except Interrupted as stop:
        raise Interrupted(with_plan(stop.result)) from stop


def _audit_some(
    f: SelfMap,
    X: Tensor,
    held_out: Tensor | None,
    options: AuditOptions,
    seed: int,
    amounts: Amounts,
    run: AuditRun,
) -> Audit:
    """Audits a random sample with some amounts."""
    if amounts.examples < len(X):
        order = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))
        rows = order[: amounts.examples].sort().values
        source = {**(run.source or {}), "rows": rows.tolist(), "of": len(X)}
        run, X = replace(run, among=X, source=source), X[rows.to(X.device)]
    options = replace(
        options,
        starts=amounts.starts,
        trials=amounts.trials,
        certificates=amounts.certificates,
    )
    return audit(f, X, options, held_out=held_out, seed=seed, run=run)


def _timed(some: Callable[[Amounts, AuditRun], Audit], amounts: Amounts) -> dict[str, float]:
    """Returns the seconds of each part of a small audit, by the name it is announced by."""
    marks = [("before", time.perf_counter())]
    some(
        amounts,
        AuditRun(
            on_progress=lambda part: marks.append((part, time.perf_counter())),
            leaves_out=OPTIONAL.__contains__,
        ),
    )
    marks.append(("after", time.perf_counter()))
    seconds: dict[str, float] = {}
    for (part, since), (_, until) in pairwise(marks):
        seconds[part] = seconds.get(part, 0.0) + until - since
    return seconds


def _plan(
    some: Callable[[Amounts, AuditRun], Audit],
    asked: Amounts,
    unseen: int,
    limit: float,
    begun: float,
    on_progress: Callable[[str], object],
) -> dict[str, Any]:
    """Chooses the amounts and optional parts that fit into the time left, from timed pilots."""
    timed: list[tuple[Amounts, dict[str, float]]] = []
    for pilot in PILOTS:
        if timed and time.perf_counter() - begun > SECOND * limit:
            break
        on_progress("a timed pilot")
        amounts = Amounts(*map(min, pilot, asked))
        timed.append((amounts, _timed(some, amounts)))
    known = costs(*timed)
    left = RESERVE * (limit - (time.perf_counter() - begun))
    # The most useful first, each if it leaves most of the time to the others.
    kept: dict[str, float] = {}
    for name, seconds in optional(known, share_of(asked, 0.0), unseen).items():
        if seconds <= MOST * (left - sum(kept.values())):
            kept[name] = seconds
    amounts = affordable(known, asked, left - sum(kept.values()))
    # What more examples and copies make of them.
    kept = {name: s for name, s in optional(known, amounts, unseen).items() if name in kept}
    seconds = known.of(amounts) + sum(kept.values())
    return {"amounts": amounts._asdict(), "parts": kept, "seconds": seconds}
