"""`screen`: a large training set, all of it in one pass, some of it audited."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Int, Num, Shaped
from torch import Tensor

from mnemoscope.base.check import LARGEST_SEED, whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.neighbours import nearest_among
from mnemoscope.maps import SelfMap, check_map
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_data
from mnemoscope.measure.auditing import audit
from mnemoscope.measure.conditional import Conditional, at_condition, audit_each, groups
from mnemoscope.measure.parts import Interrupted, Parts
from mnemoscope.measure.screening.drift import Drift, drift
from mnemoscope.measure.screening.estimate import whole_set_rate
from mnemoscope.measure.screening.plan import plan
from mnemoscope.measure.screening.ranking import (
    checked_residual,
    drawn,
    first_distinct,
    order_of,
    ranks,
)
from mnemoscope.measure.screening.screen import SAMPLE, SCREEN, SUSPICIOUS, Screen
from mnemoscope.measure.whole_set import check_whole_set, parts
from mnemoscope.results.audit import Audit

BLOCK = 2**14
"""Examples of the pass that are measured at once: what Ctrl-C can cost."""

SOME = 100
"""Examples audited of the sample, and of the most suspicious ones."""

OWN = ("X", "among", "conditions", "seed", "unit", "checkpoint", "on_progress")
"""Options of `audit` that a screening sets itself."""

_log = logging.getLogger("mnemoscope")


def screen(
    f: Stage | SelfMap | Conditional,
    X: Num[Tensor, "n *shape"],
    *,
    conditions: Shaped[Tensor, "n *condition"] | None = None,
    sample: int = SOME,
    suspicious: int = SOME,
    seed: int = 0,
    unit: float | None = None,
    options: Mapping[str, Any] | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    on_progress: Callable[[str], object] | None = None,
) -> Screen:
    """Finds out what a map has memorized of a training set that is too large to be audited whole.

    One pass over all examples measures the residual `f(x) - x`, the drift `f^8(x) - x` and the step
    `f^9(x) - f^8(x)`: 9 evaluations of each example. Its cost is estimated from a timed batch, and
    logged and passed to `on_progress` before it starts. Two audits follow: that of a random sample,
    which gives an interval for the whole set, and that of the most suspicious examples (smallest
    drift, then smallest residual), which were selected and give no rate. The unit, the distance to
    the nearest other example, and whether an attractor lies at an example are judged against all of
    `X`.

    Memory of the pass: one batch within the map's budget and three numbers for each example; `X` is
    read in parts and not copied.

    Args:
        f: The network, a `SelfMap` or any callable that acts on a batch.
        X: `(n, *shape)`, all training examples, of any dtype.
        conditions: `(n, *condition)`, what each example is reproduced with, as `audit` takes them.
        sample: Examples in the random sample; all of them where there are no more.
        suspicious: The number of most suspicious examples to audit, of exact duplicates only one.
        seed: Random seed of the sample and of both audits.
        unit: The scale of the data (default: the map's, else that of all of `X`).
        options: Keyword arguments of both audits, such as `starts` and `trials`; `held_out` is used
            in that of the sample only.
        checkpoints: A folder. What is finished is written to files in it on Ctrl-C and about every
            minute; where they exist, this very screening goes on from them.
        on_progress: Called with a few words before each part of the work.

    Raises:
        MnemoscopeError: `X` is no batch of states of the map or has NaN or infinity, the map makes
            NaN or infinity of an example, an option is out of range, or the checkpoints are of
            another screening.
        Interrupted: Ctrl-C after the pass; `result` is the screening of what is finished.

    Example:
        >>> import torch, mnemoscope as mn
        >>> X = torch.rand(300, 4, generator=torch.Generator().manual_seed(0))
        >>> some = {"starts": 20, "trials": 1}
        >>> found = mn.screen(lambda z: z / 2, X, sample=10, suspicious=5, options=some)
        >>> found.rates["stored"]["count"], len(found.table)
        (0, 300)
    """
    begun = time.perf_counter()
    tell = on_progress or (lambda _: None)
    X = torch.as_tensor(given_examples(X)).detach()
    given = _checked_options(sample, suspicious, seed, options)
    asked = f
    every, f = _maps(f, X, conditions, unit)
    with ExitStack() as stack:
        for g, rows in every:
            stack.enter_context(g.evaluating())
            ends = rows[[0, len(rows) // 2, len(rows) - 1]]
            check_map(g, X[ends.to(X.device)], finite=False)
        cost = plan(f, X)
        _log.info("%s", cost)
        tell(str(cost))
        kept_in = None if checkpoints is None else Path(checkpoints) / "pass.safetensors"
        passed = Parts.of_map(kept_in, f, X, {})
        found, taken = _pass_over(every, X, cost.batch_size, passed)
    order = order_of(found)
    some = drawn(len(X), sample, seed)
    most = first_distinct(f, X, order, suspicious)
    name = given.pop("name", None)
    held_out = given.pop("held_out", None)
    fresh_conditions = given.pop("held_out_conditions", None)
    words = "a random sample of", "the most suspicious, selected:"
    audits: list[Audit] = []
    missing: list[str] = []
    for rows, what, fresh, folder in zip(
        (some, most), words, (held_out, None), (SAMPLE, SUSPICIOUS), strict=True
    ):
        what = f"{what} {len(rows):,} of {len(X):,} examples"
        if missing:
            missing.append(f"audit of {what}")
            continue
        tell(f"audit: {what}")
        source = {**(given.get("source") or {}), "rows": rows.tolist(), "of": len(X)}
        try:
            options = {
                **given, "source": source, "seed": seed, "on_progress": on_progress,
                "checkpoint": None
                if checkpoints is None
                else Path(checkpoints) / f"{folder}.safetensors",
                "name": f"{name or _name(f)}: {what}",
            }  # fmt: skip
            part = X[rows.to(X.device)]
            if conditions is None:
                audits.append(audit(f, part, among=X, held_out=fresh, **options))
                continue
            audits.append(
                audit_each(
                    audit, asked, part, conditions[rows.to(conditions.device)],
                    (fresh, fresh_conditions if fresh is not None else None),
                    {**options, "unit": f.unit}, among=(X, conditions),
                )
            )  # fmt: skip
        except Interrupted as stop:
            audits.append(stop.result)
            missing += [f"{part} ({folder})" for part in stop.result.summary["partial"]]
        except KeyboardInterrupt:
            passed.save()
            missing.append(f"audit of {what}")
    table = _table(found, order, (some, most), audits)
    table = _with_disclosed(f, X, table, audits)
    selected = {"examples": len(most), **(_counts(audits[1]) if audits[1:] else {})}
    result = Screen(
        table=table,
        sample=audits[0] if audits else None,
        suspicious=audits[1] if audits[1:] else None,
        rates={
            key: whole_set_rate(count, len(audits[0].examples), len(X))
            for key, count in (_counts(audits[0]) if audits else {}).items()
        },
        summary={
            "examples": len(X),
            "sample": len(some),
            "suspicious": selected,
            "disclosed": table["index"].filter(table["disclosed"].fill_null(value=False)).to_list(),
            "unit": f.unit,
            "seed": seed,
            "plan": asdict(cost),
            "partial": missing or None,
            "pass_seconds": taken,
            "seconds": passed.seconds + time.perf_counter() - begun,
        },
    )
    if missing:
        raise Interrupted(result)
    return result


def _maps(
    f: Any, X: Tensor, conditions: Tensor | None, unit: float | None
) -> tuple[list[tuple[SelfMap, Tensor]], SelfMap]:
    """The map of each condition with the indices of its examples, and the first of these maps.

    Without conditions it is one map, of all examples.
    """
    if conditions is None:
        f = as_self_map(f, X.shape[1:])
        check_whole_set(f, X)
        f = in_unit_of_data(f, X) if unit is None else f.with_unit(unit)
        return [(f, torch.arange(len(X)))], f
    scale, maps = unit, []
    for group in groups(torch.as_tensor(conditions), len(X), "conditions"):
        g = as_self_map(at_condition(f, group.condition), X.shape[1:])
        if scale is None:
            check_whole_set(g, X)
            scale = in_unit_of_data(g, X).unit
        maps.append((g.with_unit(scale), group.rows))
    return maps, maps[0][0]


def _pass_over(
    maps: list[tuple[SelfMap, Tensor]], X: Tensor, size: int, kept: Parts
) -> tuple[Drift, float]:
    """The drift of all examples, and the seconds that it took."""
    begun = time.perf_counter()
    found: list[dict[str, Tensor]] = []
    for number, (f, rows) in enumerate(maps):
        for first in range(0, len(rows), BLOCK):
            some = X[rows[first : first + BLOCK].to(X.device)]
            name = f"pass {number} {first}"
            found.append(kept.part(name, partial(_drift, f, some, size), {}))
            if kept.missing:
                raise KeyboardInterrupt
    place = torch.cat([rows for _, rows in maps]).argsort()
    whole = Drift(
        *(
            torch.cat([part[name] for part in found])[place]
            for name in ("residual", "drift", "step")
        )
    )
    broken = checked_residual(whole.residual)
    if broken is not None:
        raise MnemoscopeError(
            f"a map that makes NaN or infinity of example {broken}",
            expected="finite outputs at every example",
            todo="mend the network's weights, or leave out that example",
        )
    return whole, kept.seconds + time.perf_counter() - begun


def _drift(f: SelfMap, X: Tensor, size: int) -> dict[str, Tensor]:
    found = [drift(f, part) for _, part in parts(f, X, size)]
    return {
        name: torch.cat([getattr(part, name) for part in found])
        for name in ("residual", "drift", "step")
    }


def _table(
    found: Drift,
    order: Int[Tensor, " n"],
    chosen: tuple[Int[Tensor, " r"], Int[Tensor, " s"]],
    audits: list[Audit],
) -> pl.DataFrame:
    """A row for each example: `SCREEN`."""
    n = len(order)
    stored: list[bool | None] = [None] * n
    disclosed: list[bool | None] = [None] * n
    # An audit that was interrupted may have fewer rows.
    for rows, result in zip(chosen, audits, strict=False):
        for row, kept, shown in zip(
            rows.tolist(), result.examples["stored"], result.examples["disclosed"], strict=False
        ):
            stored[row] = bool(stored[row]) or kept
            disclosed[row] = bool(disclosed[row]) or shown
    columns: dict[str, Any] = {
        "index": torch.arange(n).numpy(),
        "residual": found.residual.numpy(),
        "drift": found.drift.numpy(),
        "step": found.step.numpy(),
        "rank": ranks(order).numpy(),
        "sampled": _mask(n, chosen[0]).numpy(),
        "suspicious": _mask(n, chosen[1]).numpy(),
        "stored": stored,
        "disclosed": disclosed,
    }
    return pl.DataFrame(columns, schema=SCREEN).with_columns(
        pl.col("residual", "drift", "step").fill_nan(None)
    )


def _with_disclosed(
    f: SelfMap, X: Tensor, table: pl.DataFrame, audits: list[Audit]
) -> pl.DataFrame:
    """The table with the examples nearest to the attractors found, where they are near enough."""
    if not audits:
        return table
    states = torch.cat([f.batch(result.pictures["attractors"]) for result in audits])
    index, distance = nearest_among(states, X)
    within = audits[0].summary["match_tol"] * f.unit
    reached = _mask(len(X), index[distance <= within].cpu()).tolist()
    shown = pl.Series("reached", reached, dtype=pl.Boolean)
    return table.with_columns(
        disclosed=pl.when(shown).then(statement=True).otherwise(pl.col("disclosed"))
    )


def _counts(result: Audit) -> dict[str, int]:
    """Rows of an audit that are stored, disclosed, contractive; duplicates count each."""
    examples = result.examples
    return {
        "stored": int(examples["stored"].sum()),
        "disclosed": int(examples["disclosed"].sum()),
        "contractive": int((examples["contractive"] == "yes").sum()),
    }


def _mask(n: int, rows: Int[Tensor, " r"]) -> Bool[Tensor, " n"]:
    mask = torch.zeros(n, dtype=torch.bool)
    mask[rows] = True
    return mask


def _name(f: SelfMap) -> str:
    return type(f.modules[0]).__name__ if f.modules else "a map"


def _checked_options(
    sample: int, suspicious: int, seed: int, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The options of both audits.

    Raises:
        MnemoscopeError: a number is out of range, or an option is one that a screening sets itself.
    """
    whole_number("sample", sample, least=1)
    whole_number("suspicious", suspicious, least=1)
    whole_number("seed", seed, least=0, most=LARGEST_SEED)
    given = dict(options or {})
    for name in OWN:
        if name in given:
            raise MnemoscopeError(
                f"options={{{name!r}: ...}}",
                expected="options of mn.audit that a screening does not set itself",
                todo=f"pass {name}= to mn.screen" if name in ("seed", "unit") else "omit it",
            )
    return given
