"""Audits of conditional maps `f(z, c)`: one map for each condition, and one result for all.

A class label, a time or covariates travel with each state: an orbit that begins at an example keeps
the example's condition. So examples of different conditions do not compete for attractors, and
`f(·, c)` is audited at the examples of condition `c` alone; what is counted is then added up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError, shortened
from mnemoscope.base.provenance import checksum
from mnemoscope.base.stats import Rate
from mnemoscope.base.unit import unit_of
from mnemoscope.data import duplicates
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.neighbours import nearest_among
from mnemoscope.dynamics.starts import Range
from mnemoscope.dynamics.stored import disclosed
from mnemoscope.maps import SelfMap
from mnemoscope.maps.self_map import as_self_map
from mnemoscope.measure.auditing import audit
from mnemoscope.measure.controls import judged
from mnemoscope.measure.fresh_inputs import images_of_fresh_inputs
from mnemoscope.measure.membership import judge
from mnemoscope.measure.options import AuditOptions, AuditRun
from mnemoscope.measure.parts import Interrupted
from mnemoscope.measure.recall import recall_curves
from mnemoscope.measure.summary import INTERPOLATION, counted, spanned
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import Conditions, Controls, Measured, Plane, Reached, Summary
from mnemoscope.results.tables import BASINS, EXAMPLES

Conditional = Callable[..., Tensor] | nn.Module
"""A map `f(z, c)` of a batch of states and a batch of conditions."""

RATES = (
    "stored",
    "contractive",
    "contractive_in_norm",
    "certified",
    "recalled",
    "unsettled",
    "left_domain",
)
"""Rates of a summary that are added up."""

COUNTS = ("indistinguishable", "undecided")
"""Numbers of a summary that are added up."""

SUMMED = (
    "starts", "at_examples", "at_spurious", "at_cycles", "unsettled", "diverged", "left_domain",
    "not_attracting", "examples_reached", "attractors_reached", "applications",
)  # fmt: skip
"""Columns of the table of starts that are added up."""


@dataclass(frozen=True)
class Group:
    """The examples of one condition.

    Attributes:
        condition: `(*condition)`, what they share.
        rows: `(g,)`, their indices among all examples.
    """

    condition: Shaped[Tensor, "*condition"]
    rows: Int[Tensor, " g"]


def groups(conditions: Shaped[Tensor, "n *condition"], n: int, name: str) -> list[Group]:
    """Sorts states by their conditions.

    Args:
        conditions: `(n, *condition)`, one for each state.
        n: The number of states.
        name: What to call the conditions in a message.

    Raises:
        MnemoscopeError: their number is not that of the states, or one is not finite.
    """
    if conditions.ndim == 0 or len(conditions) != n:
        raise MnemoscopeError(
            f"{name} of shape {tuple(conditions.shape)} for {n} states",
            expected=f"one condition for each state, ({n}, ...)",
            todo="pass them in the order of the states",
        )
    if conditions.is_floating_point() and not bool(torch.isfinite(conditions).all()):
        raise MnemoscopeError(
            f"NaN or infinity in {name}", expected="finite numbers", todo="leave out those states"
        )
    flat = conditions.reshape(n, -1).cpu()
    distinct, of = flat.unique(dim=0, return_inverse=True)
    found = []
    for g in range(len(distinct)):
        rows = (of == g).nonzero()[:, 0]
        found.append(Group(conditions[int(rows[0])].cpu(), rows))
    return found


class AtCondition(nn.Module):
    """A conditional network at one condition: a self-map."""

    def __init__(self, network: nn.Module, condition: Tensor) -> None:
        """Keeps the network itself, so its weights are shared."""
        super().__init__()
        self.network = network
        self.register_buffer("condition", condition, persistent=False)
        self.train(network.training)

    def forward(self, z: Tensor) -> Tensor:
        """Evaluates a batch, each state with the condition."""
        assert isinstance(self.condition, Tensor)
        return self.network(z, _for_each(self.condition, z))


def at_condition(f: Conditional, condition: Tensor) -> nn.Module | Callable[[Tensor], Tensor]:
    """The map of states alone, at one condition."""
    if isinstance(f, nn.Module):
        parameter = next(f.parameters(), None)
        device = torch.device("cpu") if parameter is None else parameter.device
        return AtCondition(f, condition.to(device))
    return lambda z: f(z, _for_each(condition, z))


def _for_each(condition: Tensor, z: Tensor) -> Tensor:
    return condition.to(z.device).expand(len(z), *condition.shape)


def audit_conditional(
    f: Conditional,
    X: Float[Tensor, "n *shape"],
    conditions: Shaped[Tensor, "n *condition"],
    options: AuditOptions | None = None,
    *,
    held_out: tuple[Float[Tensor, "h *shape"], Shaped[Tensor, "h *condition"]] | None = None,
    seed: int = 0,
    run: AuditRun | None = None,
) -> Audit:
    """Audits a map of states and conditions: a map for each condition, counts added up.

    Args:
        f: The map `f(z, c)` of a batch of states and one of conditions.
        X: `(n, *shape)`, the training examples.
        conditions: `(n, *condition)`, what each example is reproduced with (a class label, a time,
            covariates). Each distinct condition is a map of its own, audited at its examples.
        options: What is tried at each condition.
        held_out: `(h, *shape)` and `(h, *condition)`, data not trained on, and their conditions.
        seed: Random seed.
        run: How the audit is carried out and recorded.

    Raises:
        MnemoscopeError: conditions are not as many as states, or not finite; a held-out state has a
            condition that no example has; or as `audit`.
        Interrupted: Ctrl-C after the first condition; `result` is the audit of the finished ones.
    """
    X = given_examples(X)
    given = {"held_out": held_out, "seed": seed, "run": run or AuditRun(), "among": None}
    return audit_among(f, X, conditions, options or AuditOptions(), **given)


def audit_among(
    f: Conditional,
    X: Float[Tensor, "n *shape"],
    conditions: Shaped[Tensor, "n *condition"],
    options: AuditOptions,
    *,
    held_out: tuple[Tensor, Tensor] | None,
    seed: int,
    run: AuditRun,
    among: tuple[Tensor, Tensor] | None,
) -> Audit:
    """Audits a conditional map as `audit_conditional`.

    Args:
        f: The map of states and conditions.
        X: `(n, *shape)`, the examples.
        conditions: `(n, *condition)`.
        options: What is tried.
        held_out: The held-out data and their conditions.
        seed: Random seed.
        run: How the audit is carried out.
        among: All examples and their conditions, where `X` is a part of them.
    """
    conditions, fresh = _checked(f, conditions, held_out, options, run)
    every, theirs = among or (X, conditions)
    if options.tolerances.unit is None:
        tolerances = replace(options.tolerances, unit=unit_of(every))
        options = replace(options, tolerances=tolerances)
    found = _by_condition(conditions, len(X), "conditions")
    all_groups = _by_condition(theirs, len(every), "conditions")
    unseen_groups = (
        {} if fresh is None else _by_condition(fresh[1], len(fresh[0]), "held_out conditions")
    )
    _refuse_unknown(unseen_groups, found)
    parts: list[Part] = []
    stopped = False
    for number, (key, group) in enumerate(found.items(), 1):
        mine, g = X[group.rows.to(X.device)], at_condition(f, group.condition)
        rows = unseen_groups[key].rows if key in unseen_groups else torch.empty(0).long()
        own = _run_of(run, number, len(found))
        if among is not None:
            own = replace(own, among=every[all_groups[key].rows.to(every.device)])
        unseen = None if fresh is None or not len(rows) else fresh[0][rows]
        try:
            result = audit(g, mine, options, held_out=unseen, seed=seed, run=own)
        except KeyboardInterrupt:
            if not parts:
                raise
            stopped = True
            break
        with (h := as_self_map(g, X.shape[1:])).evaluating():
            outputs = images_of_fresh_inputs(h, Range.of(h.batch(mine)), seed)
        parts.append(Part(group, result, outputs, rows))
    result = _added_up(parts, X, fresh, every, seed)
    if not stopped:
        return result
    left = f"conditions {len(parts) + 1} to {len(found)} of {len(found)}"
    raise Interrupted(result.with_summary(partial=(left,), among=len(every)))


def _run_of(run: AuditRun, number: int, count: int) -> AuditRun:
    """How the audit of one condition is carried out."""
    before = f"condition {number} of {count}: "
    return replace(
        run,
        checkpoint=None if run.checkpoint is None else f"{run.checkpoint}.{number}",
        on_progress=lambda part: run.on_progress(before + part),
    )


def _added_up(
    parts: Sequence["Part"],
    X: Tensor,
    fresh: tuple[Tensor, Tensor] | None,
    every: Tensor,
    seed: int,
) -> Audit:
    done, unseen = _rows_of(parts)
    held_out = None
    if fresh is not None and len(unseen):
        held_out = fresh[0][unseen.to(fresh[0].device)]
    own = [part.among(done, unseen) for part in parts]
    return merged(own, X[done.to(X.device)], held_out, every, seed=seed)


def _rows_of(parts: Sequence["Part"]) -> tuple[Tensor, Tensor]:
    """The indices of the examples and of the held-out states that were audited, sorted."""
    examples = torch.cat([part.group.rows for part in parts])
    return examples.sort().values, torch.cat([part.held_out for part in parts]).sort().values


def _by_condition(conditions: Tensor, n: int, name: str) -> dict[tuple[Any, ...], Group]:
    found = groups(conditions, n, name)
    return {tuple(group.condition.flatten().tolist()): group for group in found}


def _refuse_unknown(
    held_out: Mapping[tuple[Any, ...], Group], known: Mapping[tuple[Any, ...], Group]
) -> None:
    unknown = [list(key) for key in held_out if key not in known]
    if unknown:
        raise MnemoscopeError(
            f"held_out_conditions that no example has: {shortened(str(unknown[:3]))}",
            expected="the conditions of the examples",
            todo="leave those held-out states out",
        )


def _checked(
    f: object,
    conditions: Tensor,
    held_out: tuple[Tensor, Tensor] | None,
    options: AuditOptions,
    run: AuditRun,
) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """The conditions, and the held-out data with theirs; refuses what does not fit together."""
    if held_out is not None and not (isinstance(held_out, tuple) and len(held_out) == 2):
        raise MnemoscopeError(
            "held_out without conditions",
            expected="held-out data and their conditions, as a pair",
            todo="pass held_out=(states, conditions)",
            field="held_out",
        )
    unit = options.tolerances.unit
    refused = {
        "a SelfMap": isinstance(f, SelfMap),
        "among": run.among is not None,
        f"unit={unit!r}": isinstance(unit, str),
    }
    for name, is_given in refused.items():
        if is_given:
            raise MnemoscopeError(
                f"{name} with conditions",
                expected="a module or a callable f(z, c), all its examples, and one unit",
                todo="pass the module itself"
                if isinstance(f, SelfMap)
                else "leave one of the two out",
            )
    conditions = torch.as_tensor(conditions)
    if held_out is None:
        return conditions, None
    return conditions, (given_examples(held_out[0]), torch.as_tensor(held_out[1]))


@dataclass(frozen=True)
class Part:
    """The audit of one condition, and which examples it is of.

    Attributes:
        group: The condition and its examples.
        audit: The audit of the map at this condition.
        outputs: `(h, *shape)`, images of fresh inputs.
        held_out: `(k,)`, indices of its states among the held-out data.
    """

    group: Group
    audit: Audit
    outputs: Float[Tensor, "h *shape"]
    held_out: Int[Tensor, " k"]

    def among(self, examples: Int[Tensor, " e"], held_out: Int[Tensor, " u"]) -> "Part":
        """The same with indices into some of the states, given by their sorted indices."""
        rows = torch.searchsorted(examples, self.group.rows)
        group = replace(self.group, rows=rows)
        return replace(self, group=group, held_out=torch.searchsorted(held_out, self.held_out))


def merged(
    parts: Sequence[Part],
    X: Float[Tensor, "n *shape"],
    held_out: Float[Tensor, "h *shape"] | None,
    every: Float[Tensor, "m *shape"],
    *,
    seed: int,
) -> Audit:
    """The audit of all conditions.

    Counts are added up. `basin_fraction` is a share of the starts at the attractor's own condition.
    An example is disclosed if an attractor of any condition lies within `match_tol` of it; one that
    does is not spurious. `summary.conditions` has the distinct conditions, the index of each
    example's and that of each attractor's.

    Args:
        parts: The audit of each condition.
        X: `(n, *shape)`, all examples.
        held_out: `(h, *shape)`, all held-out data.
        every: `(m, *shape)`, all that the map was trained on.
        seed: Random seed of the test of membership.
    """
    audits = [part.audit for part in parts]
    first, counts = audits[0], [len(audit.pictures["attractors"]) for audit in audits]
    begin = [sum(counts[:i]) for i in range(len(counts))]
    match_tol, unit = first.summary.match_tol, first.summary.unit
    states = torch.cat([audit.pictures["attractors"] for audit in audits])
    examples = _examples(parts, begin, disclosed(
        X.cpu(), states, unit=unit, match_tol=match_tol
    ))  # fmt: skip
    attractors = _attractors(parts, begin, states, every.to("cpu"), match_tol * unit)
    recall = pl.concat([_named(p, p.audit.recall) for p in parts]).sort(
        "corruption", "strength", "example", maintain_order=True
    )
    separated = None
    table = pl.concat([_membership(part) for part in parts]).sort(
        "member", "index", descending=[True, False]
    )
    if held_out is not None and len(table):
        # Conditions without held-out data have no scores.
        rows = table.filter("member")["index"].to_list()
        separated = judge(table, X[rows].cpu(), held_out.cpu(), seed=seed)
    plane = next((i for i, audit in enumerate(audits) if audit.plane.height), None)
    frames, captions = _strips(parts)
    summary = _summary(parts, X.cpu(), examples, attractors).model_copy(
        update={
            "membership": None if separated is None else separated.summary(),
            "conditions": Conditions(
                values=tuple(part.group.condition.tolist() for part in parts),
                examples=tuple(_condition_of(parts, len(X))),
                attractors=tuple(g for g, count in enumerate(counts) for _ in range(count)),
            ),
            "plane": None if plane is None else _place(parts[plane]),
            **captions,
        }
    )
    return replace(
        first,
        examples=examples,
        attractors=attractors,
        recall=recall,
        curves=recall_curves(recall),
        starts=_starts(audits),
        basins=pl.concat(
            [pl.DataFrame(schema=BASINS)]
            + [_moved(a.basins, b, "attractor") for a, b in zip(audits, begin, strict=True)]
        ),
        spectra=pl.concat([_named(part, part.audit.spectra) for part in parts]).sort(
            "example", "rank"
        ),
        plane=first.plane
        if plane is None
        else _moved(audits[plane].plane, begin[plane], "attractor"),
        membership=first.membership if separated is None else separated.table,
        roc=first.roc if separated is None else separated.roc,
        summary=summary,
        provenance={
            **first.provenance,
            "data_checksum": checksum(X),
            "settings": {
                **first.provenance["settings"],
                "conditions": len(parts),
                "held_out": 0 if held_out is None else len(held_out),
            },
        },
        pictures={"examples": X.detach().cpu(), "attractors": states, **frames},
    )


def _examples(parts: Sequence[Part], begin: Sequence[int], shown: Tensor) -> pl.DataFrame:
    tables = [
        _moved(_named(p, p.audit.examples, "index"), b, "attractor", "nearest_attractor")
        for p, b in zip(parts, begin, strict=True)
    ]
    table = pl.concat(tables).sort("index")
    reached = pl.Series(shown.tolist(), dtype=pl.Boolean)
    return table.with_columns(disclosed=pl.col("disclosed") | reached).select(list(EXAMPLES))


def _attractors(
    parts: Sequence[Part], begin: Sequence[int], states: Tensor, X: Tensor, within: float
) -> pl.DataFrame:
    tables = []
    near = nearest_among(states, X)[1] <= within if len(states) else torch.zeros(0).bool()
    for part, b in zip(parts, begin, strict=True):
        rows = part.group.rows
        table = part.audit.attractors
        named = [int(rows[i]) for i in table["nearest_example"]]
        at_any = pl.Series([bool(near[b + i]) for i in table["id"]], dtype=pl.Boolean)
        tables.append(
            _moved(table, b, "id").with_columns(
                nearest_example=pl.Series(named, dtype=pl.Int64),
                spurious=pl.col("spurious") & ~at_any,
            )
        )
    return pl.concat(tables).sort("starts", descending=True, maintain_order=True)


def _starts(audits: Sequence[Audit]) -> pl.DataFrame:
    """Sums; the share that is unseen is the mean over conditions, weighted by their starts."""
    table = pl.concat([audit.starts for audit in audits])
    share = (pl.col("unseen") * pl.col("starts")).sum() / pl.col("starts").sum()
    return (
        table.group_by("kind", maintain_order=True)
        .agg(*(pl.col(name).sum() for name in SUMMED), unseen=share)
        .select(table.columns)
    )


def _membership(part: Part) -> pl.DataFrame:
    """The scores of one condition's states, by their indices among all states of their kind."""
    table = part.audit.membership
    rows = {True: part.group.rows, False: part.held_out}
    index = [
        int(rows[member][i]) for member, i in zip(table["member"], table["index"], strict=True)
    ]
    return table.with_columns(index=pl.Series(index, dtype=pl.Int64))


def _summary(
    parts: Sequence[Part], X: Tensor, examples: pl.DataFrame, attractors: pl.DataFrame
) -> Summary:
    summaries = [part.audit.summary for part in parts]
    first = summaries[0]
    distinct = sum(summary.disclosed.total for summary in summaries)
    again = {pair[1] for pair in _within_groups(parts)}
    shown = examples.filter(~pl.col("index").is_in(list(again)))["disclosed"].sum()
    reached = [summary.reached for summary in summaries]
    loss = math.fsum(examples["loss"]) / len(X)
    outputs = torch.cat([part.outputs for part in parts]).cpu()
    seconds = [summary.seconds or 0.0 for summary in summaries]
    return first.model_copy(
        update={
            "examples": len(X),
            **{name: _sum([getattr(summary, name) for summary in summaries]) for name in RATES},
            **{name: sum(getattr(summary, name) for summary in summaries) for name in COUNTS},
            "disclosed": Rate.of(int(shown), distinct),
            "reached": Reached(
                sum(each.count for each in reached),
                sum(each.total for each in reached),
                sum(each.starts for each in reached),
            ),
            **counted(attractors),
            "loss": loss,
            "training_loss": loss,
            "interpolated": loss <= 1.01 * INTERPOLATION,
            **spanned(X, outputs, first.unit),
            "duplicates": tuple(duplicates(X)),
            "controls": _controls([each.controls for each in summaries if each.controls]),
            "seconds": sum(seconds),
        }
    )


def _within_groups(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """Pairs of equal examples of one condition."""
    pairs = []
    for part in parts:
        rows = part.group.rows.tolist()
        pairs += [(rows[a], rows[b]) for a, b in part.audit.summary.duplicates]
    return pairs


def _sum(rates: Sequence[Rate | None]) -> Rate | None:
    """Adds up a rate over all conditions; None where one does not have it."""
    had = [each for each in rates if each is not None]
    if len(had) < len(rates):
        return None
    return replace(had[0], **vars(Rate.sum(had)))


def _controls(each: Sequence[Controls]) -> Controls | None:
    """Adds up the controls of all conditions; None where they were left out."""
    if not each:
        return None
    missing = next((one.untrained_missing for one in each if one.untrained_missing), None)
    untrained = [one.untrained for one in each if one.untrained]
    had = [one.held_out for one in each if one.held_out]
    return judged(
        _measured([one.trained for one in each]),
        missing or _measured(untrained),
        _measured(had) if had else None,
    )


def _measured(each: Sequence[Measured]) -> Measured:
    rates = {name: _sum([getattr(one, name) for one in each]) for name in each[0].rates()}
    totals = ("attractors", "fixed_points", "starts")
    summed = {name: sum(getattr(one, name) for one in each) for name in totals}
    return Measured.model_validate({**rates, **summed})


def _place(part: Part) -> Plane | None:
    place, rows = part.audit.summary.plane, part.group.rows
    if place is None:
        return None
    return place.model_copy(update={"examples": tuple(int(rows[i]) for i in place.examples)})


def _strips(parts: Sequence[Part]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Joins the strips of all conditions in the order of the examples, and their captions."""
    frames: dict[str, Tensor] = {}
    captions: dict[str, Any] = {"recall_frames": None, "noise_frames": None}
    for name, lists in (("recall_frames", ("recalled",)), ("noise_frames", ("kinds", "examples"))):
        had = [part for part in parts if name in part.audit.pictures]
        if not had:
            continue
        rows = [_shown(part, name) for part in had]
        order = torch.tensor([row for each in rows for row in each]).argsort(stable=True)
        together = torch.cat([part.audit.pictures[name] for part in had])
        frames[name] = together[order].contiguous()
        shown = [getattr(part.audit.summary, name) for part in had]
        joined = {key: [v for caption in shown for v in getattr(caption, key)] for key in lists}
        update = {key: tuple(values[i] for i in order.tolist()) for key, values in joined.items()}
        if "examples" in lists:
            update["examples"] = tuple(sorted(row for each in rows for row in each))
        captions[name] = shown[0].model_copy(update=update)
    return frames, captions


def _shown(part: Part, name: str) -> list[int]:
    """The examples that strips are of, by their indices among all."""
    rows = part.group.rows.tolist()
    caption = getattr(part.audit.summary, name)
    places = getattr(caption, "examples", range(len(part.audit.pictures[name])))
    return [rows[place] for place in places]


def _condition_of(parts: Sequence[Part], n: int) -> list[int]:
    of = [0] * n
    for g, part in enumerate(parts):
        for row in part.group.rows.tolist():
            of[row] = g
    return of


def _named(part: Part, table: pl.DataFrame, column: str = "example") -> pl.DataFrame:
    """The table with examples named by their indices among all."""
    rows = part.group.rows.tolist()
    return table.with_columns(pl.Series(column, [rows[i] for i in table[column]], dtype=pl.Int64))


def _moved(table: pl.DataFrame, by: int, *columns: str) -> pl.DataFrame:
    """The table with ids of attractors moved; -1 stays."""
    return table.with_columns(
        *(
            pl.when(pl.col(name) >= 0).then(pl.col(name) + by).otherwise(pl.col(name)).alias(name)
            for name in columns
        )
    )
