"""`screen`: a large training set, all of it in one pass, some of it audited."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import polars as pl
import torch
from jaxtyping import Int, Num, Shaped
from torch import Tensor

from mnemoscope.base.check import seed as checked_seed
from mnemoscope.base.check import whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import Rate
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.neighbours import nearest_among
from mnemoscope.maps import SelfMap, check_map
from mnemoscope.maps.self_map import Stage, as_self_map
from mnemoscope.measure.auditing import audit
from mnemoscope.measure.conditional import Conditional, at_condition, audit_among, groups
from mnemoscope.measure.options import AuditOptions, AuditRun
from mnemoscope.measure.parts import Interrupted, Parts
from mnemoscope.measure.screening_pass import (
    Drift,
    drawn,
    drift,
    first_distinct,
    order_of,
    plan,
)
from mnemoscope.measure.subject import check_whole_set, in_one_unit, name_of, parts
from mnemoscope.results.audit import Audit
from mnemoscope.results.screen import (
    SAMPLE,
    SCREEN,
    SUSPICIOUS,
    SampleRate,
    Screen,
    ScreenSummary,
    Selected,
)

BLOCK = 2**14
"""Examples of the pass that are measured at once: what Ctrl-C can cost."""

SOME = 100
"""Examples audited of the sample, and of the most suspicious ones."""

_log = logging.getLogger("mnemoscope")


@dataclass(frozen=True)
class ScreenOptions:
    """What a screening audits.

    Attributes:
        sample: Examples in the random sample; all of them where there are no more.
        suspicious: The number of most suspicious examples to audit, of exact duplicates only one.
        audit: What is tried in both audits.

    Raises:
        MnemoscopeError: a field is out of range.
    """

    sample: int = SOME
    suspicious: int = SOME
    audit: AuditOptions = field(default_factory=AuditOptions)

    def __post_init__(self) -> None:
        whole_number("sample", self.sample, least=1)
        whole_number("suspicious", self.suspicious, least=1)


def screen(
    f: Stage | SelfMap,
    X: Num[Tensor, "n *shape"],
    options: ScreenOptions | None = None,
    *,
    held_out: Num[Tensor, "h *shape"] | None = None,
    seed: int = 0,
    run: AuditRun | None = None,
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
        options: How many examples are audited, and what is tried.
        held_out: `(h, *shape)`, data not trained on, used in the audit of the sample only.
        seed: Random seed of the sample and of both audits.
        run: How the screening is carried out. Its checkpoint is a folder: what is finished is
            written to files in it on Ctrl-C and about every minute; where they exist, this very
            screening continues from them.

    Raises:
        MnemoscopeError: `X` is no batch of states of the map or has NaN or infinity, the map makes
            NaN or infinity of an example, an option is out of range, or the checkpoints are of
            another screening.
        Interrupted: Ctrl-C after the pass; `result` is the screening of what is finished.

    Example:
        >>> import torch, mnemoscope as mn
        >>> X = torch.rand(300, 4, generator=torch.Generator().manual_seed(0))
        >>> some = mn.ScreenOptions(10, 5, mn.AuditOptions(starts=20, trials=1))
        >>> found = mn.screen(lambda z: z / 2, X, some)
        >>> found.rates["stored"].count, len(found.table)
        (0, 300)
    """
    begun = time.perf_counter()
    options, X = options or ScreenOptions(), torch.as_tensor(given_examples(X)).detach()
    f = as_self_map(f, X.shape[1:])
    check_whole_set(f, X)
    f = in_one_unit(f, X, options.audit.tolerances, "a screening")

    def audit_rows(rows: Tensor, fresh: bool, own: AuditRun) -> Audit:
        part = X[rows.to(X.device)]
        return audit(
            f,
            part,
            options.audit,
            held_out=held_out if fresh else None,
            seed=seed,
            run=replace(own, among=X),
        )

    every = [(f, torch.arange(len(X)))]
    return _screen(_Screening(every, X, options, seed, run or AuditRun(), audit_rows), begun)


def screen_conditional(
    f: Conditional,
    X: Num[Tensor, "n *shape"],
    conditions: Shaped[Tensor, "n *condition"],
    options: ScreenOptions | None = None,
    *,
    held_out: tuple[Tensor, Tensor] | None = None,
    seed: int = 0,
    run: AuditRun | None = None,
) -> Screen:
    """Screens a map of states and conditions, as `screen`.

    Args:
        f: The map `f(z, c)`.
        X: `(n, *shape)`, all training examples.
        conditions: `(n, *condition)`, what each is reproduced with, as `audit_conditional` takes.
        options: How many examples are audited, and what is tried.
        held_out: Data not trained on, and their conditions.
        seed: Random seed.
        run: How the screening is carried out.

    Raises:
        MnemoscopeError: as `screen` and `audit_conditional`.
        Interrupted: as `screen`.
    """
    begun = time.perf_counter()
    options, X = options or ScreenOptions(), torch.as_tensor(given_examples(X)).detach()
    conditions = torch.as_tensor(conditions)
    every = _maps(f, X, conditions, options)
    unit = every[0][0].unit
    audited = replace(options.audit, tolerances=replace(options.audit.tolerances, unit=unit))

    def audit_rows(rows: Tensor, fresh: bool, own: AuditRun) -> Audit:
        return audit_among(
            f,
            X[rows.to(X.device)],
            conditions[rows.to(conditions.device)],
            audited,
            held_out=held_out if fresh else None,
            seed=seed,
            run=own,
            among=(X, conditions),
        )

    return _screen(_Screening(every, X, options, seed, run or AuditRun(), audit_rows), begun)


@dataclass(frozen=True)
class _Screening:
    """What is screened, and how some of its examples are audited."""

    maps: list[tuple[SelfMap, Tensor]]
    X: Tensor
    options: ScreenOptions
    seed: int
    run: AuditRun
    audit: Callable[[Tensor, bool, AuditRun], Audit]

    def checkpoint(self, name: str) -> Path | None:
        """Returns the file of a part's checkpoint."""
        folder = self.run.checkpoint
        return None if folder is None else Path(folder) / f"{name}.safetensors"


def _screen(work: _Screening, begun: float) -> Screen:
    X, options, f = work.X, work.options, work.maps[0][0]
    checked_seed(work.seed)
    with ExitStack() as stack:
        for g, rows in work.maps:
            stack.enter_context(g.evaluating())
            ends = rows[[0, len(rows) // 2, len(rows) - 1]]
            check_map(g, X[ends.to(X.device)], finite=False)
        cost = plan(f, X)
        _log.info("%s", cost)
        work.run.on_progress(str(cost))
        passed = Parts.of_map(work.checkpoint("pass"), f, X, {})
        found, taken = _pass_over(work.maps, X, cost.batch_size, passed)
    order = order_of(found)
    some = drawn(len(X), options.sample, work.seed)
    most = first_distinct(f, X, order, options.suspicious)
    audits, missing = _audits(work, (some, most), passed)
    table = _table(work, found, order, (some, most), audits)
    result = Screen(
        table=table,
        sample=audits[0] if audits else None,
        suspicious=audits[1] if audits[1:] else None,
        rates={
            key: whole_set_rate(count, len(audits[0].examples), len(X))
            for key, count in (_counts(audits[0]) if audits else {}).items()
        },
        summary=ScreenSummary(
            examples=len(X),
            sample=len(some),
            suspicious=Selected(examples=len(most), **(_counts(audits[1]) if audits[1:] else {})),
            disclosed=tuple(table["index"].filter(table["disclosed"].fill_null(value=False))),
            unit=f.unit,
            seed=work.seed,
            plan=asdict(cost),
            partial=tuple(missing),
            pass_seconds=taken,
            seconds=passed.seconds + time.perf_counter() - begun,
        ),
    )
    if missing:
        raise Interrupted(result)
    return result


def _audits(
    work: _Screening, chosen: tuple[Tensor, Tensor], passed: Parts
) -> tuple[list[Audit], list[str]]:
    """Audits the sample and the most suspicious examples; returns also what Ctrl-C left out."""
    n, run = len(work.X), work.run
    name = name_of(work.maps[0][0], run)
    audits: list[Audit] = []
    missing: list[str] = []
    for rows, words, folder in (
        (chosen[0], "a random sample of", SAMPLE),
        (chosen[1], "the most suspicious, selected:", SUSPICIOUS),
    ):
        what = f"{words} {len(rows):,} of {n:,} examples"
        if missing:
            missing.append(f"audit of {what}")
            continue
        run.on_progress(f"audit: {what}")
        own = replace(
            run,
            source={**(run.source or {}), "rows": rows.tolist(), "of": n},
            checkpoint=work.checkpoint(folder),
            name=f"{name}: {what}",
        )
        try:
            audits.append(work.audit(rows, folder == SAMPLE, own))
        except Interrupted as stop:
            audits.append(stop.result)
            missing += [f"{part} ({folder})" for part in stop.result.summary.partial]
        except KeyboardInterrupt:
            passed.save()
            missing.append(f"audit of {what}")
    return audits, missing


def _maps(
    f: Conditional, X: Tensor, conditions: Tensor, options: ScreenOptions
) -> list[tuple[SelfMap, Tensor]]:
    """Returns the map of each condition with the indices of its examples."""
    maps: list[tuple[SelfMap, Tensor]] = []
    for group in groups(conditions, len(X)).values():
        g = as_self_map(at_condition(f, group.condition), X.shape[1:])
        if maps:
            g = g.with_unit(maps[0][0].unit)
        else:
            check_whole_set(g, X)
            g = in_one_unit(g, X, options.audit.tolerances, "a screening")
        maps.append((g, group.rows))
    return maps


def _pass_over(
    maps: list[tuple[SelfMap, Tensor]], X: Tensor, size: int, kept: Parts
) -> tuple[Drift, float]:
    """Measures the drift of all examples, and the seconds that it took."""
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
    whole = Drift(**{name: torch.cat([part[name] for part in found])[place] for name in found[0]})
    broken = torch.isnan(whole.residual).nonzero()
    if len(broken):
        raise MnemoscopeError(
            f"a map that makes NaN or infinity of example {int(broken[0, 0])}",
            expected="finite outputs at every example",
            todo="repair the network's weights, or leave out that example",
        )
    return whole, kept.seconds + time.perf_counter() - begun


def _drift(f: SelfMap, X: Tensor, size: int) -> dict[str, Tensor]:
    found = [vars(drift(f, part)) for _, part in parts(f, X, size)]
    return {name: torch.cat([part[name] for part in found]) for name in found[0]}


def _table(
    work: _Screening,
    found: Drift,
    order: Int[Tensor, " n"],
    chosen: tuple[Int[Tensor, " r"], Int[Tensor, " s"]],
    audits: list[Audit],
) -> pl.DataFrame:
    """Makes the table `SCREEN`: a row for each example."""
    f, n = work.maps[0][0], len(order)
    marks = torch.zeros(3, n, dtype=torch.bool)
    marks[0, chosen[0]] = marks[1, chosen[1]] = True
    if audits:
        # An example within `match_tol` of an attractor that was found is disclosed.
        states = torch.cat([f.batch(result.pictures["attractors"]) for result in audits])
        index, distance = nearest_among(states, work.X)
        marks[2, index[distance <= audits[0].summary.match_tol * f.unit].cpu()] = True
    sampled, suspicious, reached = marks.numpy()
    measured = pl.DataFrame(
        {
            "index": torch.arange(n).numpy(),
            "residual": found.residual.numpy(),
            "drift": found.drift.numpy(),
            "step": found.step.numpy(),
            "rank": (order.argsort() + 1).numpy(),
            "sampled": sampled,
            "suspicious": suspicious,
        }
    ).with_columns(pl.col("residual", "drift", "step").fill_nan(None))
    # An audit that was interrupted may have fewer rows.
    answers = [
        result.examples.select(
            pl.Series("index", rows[: result.examples.height].numpy()), "stored", "disclosed"
        )
        for rows, result in zip(chosen, audits, strict=False)
    ]
    nothing = pl.DataFrame(schema=SCREEN).select("index", "stored", "disclosed")
    known = pl.concat([nothing, *answers]).group_by("index").agg(pl.all().any())
    shown = pl.lit(pl.Series(reached))
    return measured.join(known, on="index", how="left", maintain_order="left").with_columns(
        disclosed=pl.when(shown).then(statement=True).otherwise(pl.col("disclosed"))
    )


def _counts(result: Audit) -> dict[str, int]:
    """Counts rows of an audit that are stored, disclosed, contractive, each duplicate too."""
    examples = result.examples
    return {
        "stored": int(examples["stored"].sum()),
        "disclosed": int(examples["disclosed"].sum()),
        "contractive": int((examples["contractive"] == "yes").sum()),
    }


def whole_set_rate(count: int, sample: int, total: int) -> SampleRate:
    """Computes the rate in a sample, and the 95% interval of the rate in the whole set.

    Wilson's interval, which is that of draws with replacement; draws without replacement from a
    finite set vary less, by `(total - sample) / (total - 1)`, so it is conservative. It is cut to
    what is certain: of the whole set at least `count` have the property, and at least
    `sample - count` have not. Of a sample that is the whole set the interval is the rate itself.
    """
    found = Rate.of(count, sample)
    return SampleRate(
        count,
        sample,
        low=max(found.low, count / total),
        high=min(found.high, (total - (sample - count)) / total),
        whole=total,
    )
