"""`audit_within`: an audit that is planned for a time, and says what it left out."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.check import LARGEST_SEED, whole_number
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
from mnemoscope.measure.parts import Interrupted, Parts
from mnemoscope.measure.whole_set import check_whole_set
from mnemoscope.results.audit import Audit
from mnemoscope.results.verdict import verdict

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
    *,
    seed: int = 0,
    unit: float | None = None,
    options: Mapping[str, Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    on_progress: Callable[[str], object] | None = None,
) -> Audit:
    """Audits as much as fits into a time.

    Two small audits are timed, and the largest share of the amounts asked for whose predicted cost
    fits is done. Controls, held-out data, pictures and the basins on a plane (`OPTIONAL`) are left
    out where they would take more than half of the time that is left, or no longer fit. Where that
    is not all examples, a random sample is audited, judged among all (see `audit`, `among`). What
    is left out is in the verdict and in `summary["planned"]`. The time is what is planned for, not
    a limit: an audit that takes longer than predicted is not cut off but says so, and a minimum
    (`mnemoscope.measure.effort.FEWEST`) is done in any case.

    Args:
        f: The network, a `SelfMap` or any callable that acts on a batch.
        X: `(n, *shape)`, the training examples.
        effort: The time, and the amounts that are done at most.
        seed: Random seed, of the sample too.
        unit: The scale of the data (default: the map's, else that of all of `X`).
        options: Further keyword arguments of `audit`.
        checkpoint: A file, as `audit` takes it; the plan is kept in one beside it, whose name ends
            in `.plan`. Time before an interruption counts.
        on_progress: Called with a few words before each part of the work.

    Raises:
        MnemoscopeError: as `audit`, or an option is one of those that are planned.
        Interrupted: Ctrl-C, as `audit`.

    Example:
        >>> import torch, mnemoscope as mn
        >>> X = torch.rand(20, 4, generator=torch.Generator().manual_seed(0))
        >>> effort = mn.measure.Effort(minutes=10, starts=20, trials=1)
        >>> mn.measure.audit_within(lambda z: z / 2, X, effort).summary["planned"]["left_out"]
        []
    """
    begun = time.perf_counter()
    tell = on_progress or (lambda _: None)
    whole_number("seed", seed, least=0, most=LARGEST_SEED)
    given, X = _checked(options), given_examples(X)
    f = as_self_map(f, X.shape[1:])
    check_whole_set(f, X)
    f = in_unit_of_data(f, X) if unit is None else f.with_unit(unit)
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))
    asked, limit = effort.asked(len(X)), 60 * effort.minutes
    parts = _plan_kept(checkpoint, X, effort, seed)
    earlier = parts.seconds

    held_out = given.get("held_out")
    unseen = 0 if held_out is None else len(held_out)

    def predict() -> dict[str, Any]:
        timed: list[tuple[Amounts, dict[str, float]]] = []
        for pilot in PILOTS:
            if timed and time.perf_counter() - begun > SECOND * limit:
                break
            tell("a timed pilot")
            amounts = _at_most(pilot, asked)
            timed.append((amounts, _timed(f, X, order, amounts, {**given, "seed": seed})))
        known = costs(*timed)
        left = RESERVE * (limit - (time.perf_counter() - begun))
        parts = optional(known, share_of(asked, 0.0), unseen)
        # The most useful first, each if it leaves most of the time to the others.
        kept: dict[str, float] = {}
        for name, seconds in parts.items():
            if seconds <= MOST * (left - sum(kept.values())):
                kept[name] = seconds
        amounts = affordable(known, asked, left - sum(kept.values()))
        # What more examples and copies make of them.
        kept = {name: s for name, s in optional(known, amounts, unseen).items() if name in kept}
        return {
            "amounts": asdict(amounts),
            "parts": kept,
            "seconds": known.of(amounts) + sum(kept.values()),
        }

    plan = parts.part("plan", predict, {})
    parts.save()
    done, predicted = Amounts(**plan["amounts"]), plan["seconds"]
    missing = left_out(asked, done)
    _log.info(
        "planned for %.3g minutes: about %.3g s; left out: %s",
        effort.minutes, predicted, ", ".join(missing) or "nothing",
    )  # fmt: skip

    def leaves_out(part: str) -> bool:
        """Whether a part does not fit any more; what is not optional always does."""
        if part not in OPTIONAL:
            return False
        elapsed = earlier + time.perf_counter() - begun
        return part not in plan["parts"] or elapsed + plan["parts"][part] > limit

    def with_plan(result: Audit) -> Audit:
        parts.save()
        planned = {
            "minutes": effort.minutes,
            "predicted_seconds": predicted,
            "seconds": earlier + time.perf_counter() - begun,
            "asked": asdict(asked),
            "done": asdict(done),
            "left_out": [*missing, *(result.summary["left_out"] or [])],
        }
        summary = {**result.summary, "planned": planned}
        return replace(result, summary={**summary, "verdict": verdict(summary)})

    last = {**given, "seed": seed, "on_progress": on_progress, "checkpoint": checkpoint}
    last["leaves_out"] = leaves_out
    try:
        return with_plan(_audited(f, X, order, done, last))
    except Interrupted as stop:
        raise Interrupted(with_plan(stop.result)) from stop


def _plan_kept(
    checkpoint: str | os.PathLike[str] | None, X: Tensor, effort: Effort, seed: int
) -> Parts:
    """The plan, if an earlier process made it."""
    if checkpoint is None:
        return Parts(None, {}, X[:0])
    path = Path(checkpoint)
    identity = {**asdict(effort), "seed": seed, "data": checksum(X)}
    return Parts(path.with_name(f"{path.name}.plan"), identity, X[:0])


def _timed(
    f: SelfMap, X: Tensor, order: Int[Tensor, " n"], amounts: Amounts, given: dict[str, Any]
) -> dict[str, float]:
    """Seconds of each part of a small audit, by the words that it is announced by."""
    marks = [("before", time.perf_counter())]
    _audited(
        f, X, order, amounts,
        {
            **given,
            "on_progress": lambda part: marks.append((part, time.perf_counter())),
            "leaves_out": OPTIONAL.__contains__,
        },
    )  # fmt: skip
    marks.append(("after", time.perf_counter()))
    seconds: dict[str, float] = {}
    for (part, since), (_, until) in pairwise(marks):
        seconds[part] = seconds.get(part, 0.0) + until - since
    return seconds


def _audited(
    f: SelfMap, X: Tensor, order: Int[Tensor, " n"], amounts: Amounts, given: dict[str, Any]
) -> Audit:
    part = amounts.examples < len(X)
    rows = order[: amounts.examples].sort().values
    source = given.get("source")
    if part:
        source = {**(source or {}), "rows": rows.tolist(), "of": len(X)}
    return audit(
        f, X[rows.to(X.device)] if part else X, among=X if part else None,
        starts=amounts.starts, trials=amounts.trials, certificates=amounts.certificates,
        **{**given, "source": source},
    )  # fmt: skip


def _at_most(pilot: Amounts, asked: Amounts) -> Amounts:
    mine, theirs = asdict(pilot), asdict(asked)
    return Amounts(**{name: min(value, theirs[name]) for name, value in mine.items()})


def _checked(options: Mapping[str, Any] | None) -> dict[str, Any]:
    given = dict(options or {})
    for name in (
        "X", "among", "conditions", "seed", "unit", "checkpoint", "on_progress", "starts", "trials",
        "certificates",
    ):  # fmt: skip
        if name in given:
            raise MnemoscopeError(
                f"options={{{name!r}: ...}}",
                expected="options of mn.audit that are not planned",
                todo="pass it to Effort" if name in ("starts", "trials", "certificates")
                else "pass it by itself",
            )  # fmt: skip
    return given
