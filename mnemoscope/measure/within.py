"""`audit_within`: an audit that is planned for a time, and says what it left out."""

import logging
import os
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.check import seed as checked_seed
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.provenance import checksum
from mnemoscope.data.given import given_examples
from mnemoscope.maps import SelfMap
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_data
from mnemoscope.measure.auditing import audit
from mnemoscope.measure.effort import (
    Amounts,
    Effort,
    affordable,
    costs,
    left_out,
    optional,
    share_of,
)
from mnemoscope.measure.options import AuditOptions, AuditRun
from mnemoscope.measure.parts import Interrupted, Parts
from mnemoscope.measure.whole_set import check_whole_set
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import Planned

PILOTS = (
    Amounts(examples=3, starts=16, trials=1, certificates=1),
    Amounts(examples=12, starts=64, trials=2, certificates=2),
)
"""What is timed."""

SECOND = 1 / 8
"""Share of the time that the first pilot may have taken for the second one to be done."""

OPTIONAL = (
    "orbits from held-out data", "basins on a plane", "pictures of orbits", "membership",
    "controls",
)  # fmt: skip
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
    (`mnemoscope.measure.effort.FEWEST`) is done in any case.

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
    f = _in_unit(f, X, options)
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))
    work = _Work(f, X, order, options, held_out, seed, run)
    asked, limit = effort.asked(len(X)), 60 * effort.minutes
    parts = _plan_kept(run.checkpoint, X, effort, seed)
    earlier = parts.seconds
    plan = parts.part("plan", partial(_plan, work, asked, limit, begun), {})
    parts.save()
    done, missing = Amounts(**plan["amounts"]), left_out(asked, Amounts(**plan["amounts"]))
    _log.info(
        "planned for %.3g minutes: about %.3g s; left out: %s",
        effort.minutes,
        plan["seconds"],
        ", ".join(missing) or "nothing",
    )

    def leaves_out(part: str) -> bool:
        """Whether a part does not fit any more; what is not optional always does."""
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
            asked=asdict(asked),
            done=asdict(done),
            left_out=(*missing, *result.summary.left_out),
        )
        return result.with_summary(planned=planned)

    try:
        return with_plan(work.audit(done, replace(run, leaves_out=leaves_out)))
    except Interrupted as stop:
        raise Interrupted(with_plan(stop.result)) from stop


@dataclass(frozen=True)
class _Work:
    """An audit whose amounts are still to be chosen."""

    f: SelfMap
    X: Tensor
    order: Int[Tensor, " n"]
    options: AuditOptions
    held_out: Tensor | None
    seed: int
    run: AuditRun

    def audit(self, amounts: Amounts, run: AuditRun) -> Audit:
        """Audits a random sample with some amounts."""
        X, source = self.X, run.source
        if amounts.examples < len(X):
            rows = self.order[: amounts.examples].sort().values
            source = {**(source or {}), "rows": rows.tolist(), "of": len(X)}
            run = replace(run, among=self.X)
            X = X[rows.to(X.device)]
        options = replace(
            self.options,
            starts=amounts.starts,
            trials=amounts.trials,
            certificates=amounts.certificates,
        )
        run = replace(run, source=source)
        return audit(self.f, X, options, held_out=self.held_out, seed=self.seed, run=run)

    def timed(self, amounts: Amounts) -> dict[str, float]:
        """Returns the seconds of each part of a small audit, by the name it is announced by."""
        marks = [("before", time.perf_counter())]
        self.audit(
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


def _plan(work: _Work, asked: Amounts, limit: float, begun: float) -> dict[str, Any]:
    """The amounts and optional parts that fit into the time that is left, from timed pilots."""
    unseen = 0 if work.held_out is None else len(work.held_out)
    timed: list[tuple[Amounts, dict[str, float]]] = []
    for pilot in PILOTS:
        if timed and time.perf_counter() - begun > SECOND * limit:
            break
        work.run.on_progress("a timed pilot")
        amounts = _at_most(pilot, asked)
        timed.append((amounts, work.timed(amounts)))
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
    return {"amounts": asdict(amounts), "parts": kept, "seconds": seconds}


def _in_unit(f: SelfMap, X: Tensor, options: AuditOptions) -> SelfMap:
    unit = options.tolerances.unit
    if isinstance(unit, str):
        raise MnemoscopeError(
            f"unit={unit!r} with a time to keep to",
            expected="one unit for all entries",
            todo="pass a number, or audit without a time",
            field="unit",
        )
    return in_unit_of_data(f, X) if unit is None else f.with_unit(unit)


def _plan_kept(
    checkpoint: str | os.PathLike[str] | None, X: Tensor, effort: Effort, seed: int
) -> Parts:
    """The plan, if an earlier process made it."""
    if checkpoint is None:
        return Parts(None, {}, X[:0])
    path = Path(checkpoint)
    identity = {**asdict(effort), "seed": seed, "data": checksum(X)}
    return Parts(path.with_name(f"{path.name}.plan"), identity, X[:0])


def _at_most(pilot: Amounts, asked: Amounts) -> Amounts:
    mine, theirs = asdict(pilot), asdict(asked)
    return Amounts(**{name: min(value, theirs[name]) for name, value in mine.items()})
