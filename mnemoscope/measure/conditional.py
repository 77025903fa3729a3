"""Audits of conditional maps `f(z, c)`: one map for each condition, and one result for all.

A class label, a time or covariates travel with each state: an orbit that begins at an example keeps
the example's condition. So examples of different conditions do not compete for attractors, and
`f(·, c)` is audited at the examples of condition `c` alone; what is counted is then added up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
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
from mnemoscope.measure.membership_scores import Membership, judge
from mnemoscope.measure.negative_controls import judged
from mnemoscope.measure.options import AuditOptions, AuditRun
from mnemoscope.measure.parts import Interrupted
from mnemoscope.measure.recall import recall_curves
from mnemoscope.measure.result import INTERPOLATION, counted, images_of_fresh_inputs, spanned
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import Conditions, Controls, Measured, Plane, Reached, Summary

Conditional = Callable[..., Tensor] | nn.Module
"""A map `f(z, c)` of a batch of states and a batch of conditions."""

STRIPS = {"recall_frames": "recalled", "noise_frames": "kinds"}
"""Strips of pictures, and the field of their captions with a value for each strip."""


@dataclass(frozen=True)
class Group:
    """The states of one condition, by their indices."""

    condition: Shaped[Tensor, "*condition"]
    rows: Int[Tensor, " g"]


def groups(
    conditions: Shaped[Tensor, "n *condition"], n: int, name: str = "conditions"
) -> dict[tuple[Any, ...], Group]:
    """Sorts states by the entries of their conditions; `name` is what messages call these."""
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
    distinct, of = conditions.reshape(n, -1).cpu().unique(dim=0, return_inverse=True)
    each = [(of == g).nonzero()[:, 0] for g in range(len(distinct))]
    found = [Group(conditions[int(rows[0])].cpu(), rows) for rows in each]
    return {tuple(group.condition.flatten().tolist()): group for group in found}


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
    """Returns the map of states alone, at one condition."""
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
    return audit_among(
        f,
        given_examples(X),
        conditions,
        options or AuditOptions(),
        held_out=held_out,
        seed=seed,
        run=run or AuditRun(),
        among=None,
    )


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
    """Audits examples that are a part of `among`, all examples and their conditions."""
    conditions, fresh = _checked(f, conditions, held_out, options, run)
    every, theirs = among or (X, conditions)
    if options.tolerances.unit is None:
        tolerances = replace(options.tolerances, unit=unit_of(every))
        options = replace(options, tolerances=tolerances)
    found, all_groups = groups(conditions, len(X)), groups(theirs, len(every))
    unseen_groups = {} if fresh is None else groups(fresh[1], len(fresh[0]), "held_out conditions")
    _refuse_unknown(unseen_groups, found)
    parts: list[Part] = []
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
            break
        with (h := as_self_map(g, X.shape[1:])).evaluating():
            outputs = images_of_fresh_inputs(h, Range.of(h.batch(mine)), seed)
        parts.append(Part(group.condition, group.rows, rows, result, outputs))
    result = merged(parts, X, None if fresh is None else fresh[0], every, seed=seed)
    if len(parts) == len(found):
        return result
    left = f"conditions {len(parts) + 1} to {len(found)} of {len(found)}"
    raise Interrupted(result.with_summary(partial=(left,), among=len(every)))


def _run_of(run: AuditRun, number: int, count: int) -> AuditRun:
    """Returns how the audit of one condition is carried out."""
    before = f"condition {number} of {count}: "
    return replace(
        run,
        checkpoint=None if run.checkpoint is None else f"{run.checkpoint}.{number}",
        on_progress=lambda part: run.on_progress(before + part),
    )


def _refuse_unknown(
    held_out: Mapping[tuple[Any, ...], Group], known: Mapping[tuple[Any, ...], Group]
) -> None:
    unknown = [list(key) for key in held_out if key not in known]
    if unknown:
        raise MnemoscopeError(
            f"held_out conditions that no example has: {shortened(str(unknown[:3]))}",
            expected="the conditions of the examples",
            todo="leave out those held-out states",
        )


def _checked(
    f: object,
    conditions: Tensor,
    held_out: tuple[Tensor, Tensor] | None,
    options: AuditOptions,
    run: AuditRun,
) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """Returns the conditions, and the held-out data with theirs, once they fit together."""
    if held_out is not None and not (isinstance(held_out, tuple) and len(held_out) == 2):
        raise MnemoscopeError(
            "held_out without conditions",
            expected="held-out data and their conditions, as a pair",
            todo="pass held_out=(states, conditions)",
            field="held_out",
        )
    unit = options.tolerances.unit
    refused = (
        ("a SelfMap", isinstance(f, SelfMap), "pass the module itself"),
        ("among", run.among is not None, "leave one of the two out"),
        (f"unit={unit!r}", isinstance(unit, str), "leave one of the two out"),
    )
    for name, is_given, todo in refused:
        if is_given:
            raise MnemoscopeError(
                f"{name} with conditions",
                expected="a module or a callable f(z, c), all its examples, and one unit",
                todo=todo,
            )
    conditions = torch.as_tensor(conditions)
    if held_out is None:
        return conditions, None
    return conditions, (given_examples(held_out[0]), torch.as_tensor(held_out[1]))


@dataclass(frozen=True)
class Part:
    """The audit of one condition, and the indices of its states among all."""

    condition: Shaped[Tensor, "*condition"]
    rows: Int[Tensor, " g"]
    held_out: Int[Tensor, " k"]
    audit: Audit
    # Images of fresh inputs.
    outputs: Float[Tensor, "h *shape"]
    # The index of its first attractor among all.
    begin: int = 0


def merged(
    parts: Sequence[Part],
    X: Float[Tensor, "n *shape"],
    held_out: Float[Tensor, "h *shape"] | None,
    every: Float[Tensor, "m *shape"],
    *,
    seed: int,
) -> Audit:
    """Joins the audits of all conditions; only the states that were audited are kept.

    Counts are added up. `basin_fraction` is a share of the starts at the attractor's own condition.
    An example is disclosed if an attractor of any condition lies within `match_tol` of it; one that
    does is not spurious. `summary.conditions` has the distinct conditions, the index of each
    example's and that of each attractor's. `every` is all that the map was trained on.
    """
    parts, done, unseen = _numbered(parts)
    X = X[done.to(X.device)]
    held_out = (
        held_out[unseen.to(held_out.device)] if held_out is not None and len(unseen) else None
    )
    first, summary = parts[0].audit, parts[0].audit.summary
    states = torch.cat([part.audit.pictures["attractors"] for part in parts])
    examples = _examples(
        parts, disclosed(X.cpu(), states, unit=summary.unit, match_tol=summary.match_tol)
    )
    attractors = _attractors(parts, states, every.cpu(), summary.match_tol * summary.unit)
    recall = _joined(parts, "recall", "example").sort(
        "corruption", "strength", "example", maintain_order=True
    )
    separated = _membership(parts, X, held_out, seed)
    plane = next((part for part in parts if part.audit.plane.height), None)
    frames, captions = _strips(parts)
    return replace(
        first,
        examples=examples,
        attractors=attractors,
        recall=recall,
        curves=recall_curves(recall),
        starts=_starts(parts),
        basins=_joined(parts, "basins", attractors=["attractor"]),
        spectra=_joined(parts, "spectra", "example").sort("example", "rank"),
        plane=_joined([plane or parts[0]], "plane", attractors=["attractor"]),
        membership=first.membership if separated is None else separated.table,
        roc=first.roc if separated is None else separated.roc,
        summary=_summary(parts, X.cpu(), examples, attractors).model_copy(
            update={
                "membership": None if separated is None else separated.summary(),
                "conditions": _conditions(parts, len(X)),
                "plane": None if plane is None else _place(plane),
                **captions,
            }
        ),
        provenance=_provenance(parts, X, held_out),
        pictures={"examples": X.detach().cpu(), "attractors": states, **frames},
    )


def _numbered(parts: Sequence[Part]) -> tuple[list[Part], Tensor, Tensor]:
    """Renumbers states and attractors over all parts; returns the audited states' old numbers."""
    done = torch.cat([part.rows for part in parts]).sort().values
    unseen = torch.cat([part.held_out for part in parts]).sort().values
    counts = [len(part.audit.pictures["attractors"]) for part in parts]
    numbered = [
        replace(
            part,
            rows=torch.searchsorted(done, part.rows),
            held_out=torch.searchsorted(unseen, part.held_out),
            begin=begin,
        )
        for part, begin in zip(parts, accumulate(counts[:-1], initial=0), strict=True)
    ]
    return numbered, done, unseen


def _joined(
    parts: Sequence[Part], name: str, examples: str | None = None, attractors: Sequence[str] = ()
) -> pl.DataFrame:
    """Joins the tables of parts, examples and attractors numbered among all; -1 stays."""
    tables: list[pl.DataFrame] = []
    for part in parts:
        table: pl.DataFrame = getattr(part.audit, name)
        if examples is not None:
            rows = part.rows[table[examples].to_list()].tolist()
            table = table.with_columns(pl.Series(examples, rows, dtype=pl.Int64))
        if attractors:
            at = pl.col(*attractors)
            table = table.with_columns(pl.when(at >= 0).then(at + part.begin).otherwise(at))
        tables.append(table)
    return pl.concat(tables)


def _examples(parts: Sequence[Part], shown: Tensor) -> pl.DataFrame:
    at = ["attractor", "nearest_attractor"]
    table = _joined(parts, "examples", "index", at).sort("index")
    reached = pl.Series(shown.tolist(), dtype=pl.Boolean)
    return table.with_columns(disclosed=pl.col("disclosed") | reached)


def _attractors(parts: Sequence[Part], states: Tensor, X: Tensor, within: float) -> pl.DataFrame:
    table = _joined(parts, "attractors", "nearest_example", ["id"])
    near = nearest_among(states, X)[1] <= within if len(states) else torch.zeros(0).bool()
    at_any = pl.Series(near[table["id"].to_list()].tolist(), dtype=pl.Boolean)
    spurious = table.with_columns(spurious=pl.col("spurious") & ~at_any)
    return spurious.sort("starts", descending=True, maintain_order=True)


def _starts(parts: Sequence[Part]) -> pl.DataFrame:
    """Adds up starts; the unseen share is the mean over conditions, weighted by their starts."""
    table = pl.concat([part.audit.starts for part in parts])
    share = (pl.col("unseen") * pl.col("starts")).sum() / pl.col("starts").sum()
    return (
        table.group_by("kind", maintain_order=True)
        .agg(pl.exclude("unseen").sum(), unseen=share)
        .select(table.columns)
    )


def _membership(
    parts: Sequence[Part], X: Tensor, held_out: Tensor | None, seed: int
) -> Membership | None:
    # Conditions without held-out data have no scores.
    scored = [part for part in parts if part.audit.membership.height]
    if held_out is None or not scored:
        return None
    # Of each part, its examples come first, then its held-out states.
    index = torch.cat([rows for part in scored for rows in (part.rows, part.held_out)])
    table = pl.concat([part.audit.membership for part in scored]).with_columns(
        index=pl.Series(index.tolist(), dtype=pl.Int64)
    )
    table = table.sort("member", "index", descending=[True, False])
    rows = table.filter("member")["index"].to_list()
    return judge(table, X[rows].cpu(), held_out.cpu(), seed=seed)


def _conditions(parts: Sequence[Part], n: int) -> Conditions:
    of = torch.zeros(n, dtype=torch.long)
    for number, part in enumerate(parts):
        of[part.rows] = number
    counts = [len(part.audit.pictures["attractors"]) for part in parts]
    return Conditions(
        values=tuple(part.condition.tolist() for part in parts),
        examples=tuple(of.tolist()),
        attractors=tuple(number for number, count in enumerate(counts) for _ in range(count)),
    )


def _provenance(parts: Sequence[Part], X: Tensor, held_out: Tensor | None) -> dict[str, Any]:
    first = parts[0].audit.provenance
    settings = {
        **first["settings"],
        "conditions": len(parts),
        "held_out": 0 if held_out is None else len(held_out),
    }
    return {**first, "data_checksum": checksum(X), "settings": settings}


def _summary(
    parts: Sequence[Part], X: Tensor, examples: pl.DataFrame, attractors: pl.DataFrame
) -> Summary:
    summaries = [part.audit.summary for part in parts]
    first = summaries[0]
    again = [int(part.rows[b]) for part in parts for _, b in part.audit.summary.duplicates]
    shown = examples.filter(~pl.col("index").is_in(again))["disclosed"].sum()
    reached = [summary.reached for summary in summaries]
    loss = math.fsum(examples["loss"]) / len(X)
    outputs = torch.cat([part.outputs for part in parts]).cpu()
    return first.model_copy(
        update={
            "examples": len(X),
            **_rates(summaries),
            **{
                name: sum(getattr(summary, name) for summary in summaries)
                for name in ("indistinguishable", "undecided")
            },
            "disclosed": Rate.of(int(shown), sum(each.disclosed.total for each in summaries)),
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
            "seconds": sum(summary.seconds or 0.0 for summary in summaries),
        }
    )


def _rates(parts: Sequence[Summary] | Sequence[Measured]) -> dict[str, Rate | None]:
    """Adds up each rate over all conditions; None where one does not have it."""
    summed: dict[str, Rate | None] = {}
    for name, first in parts[0]:
        if isinstance(first, Rate):
            each = [getattr(part, name) for part in parts]
            summed[name] = None if None in each else replace(first, **vars(Rate.sum(each)))
    return summed


def _controls(each: Sequence[Controls]) -> Controls | None:
    """Adds up the controls of all conditions; None: there are none."""
    if not each:
        return None
    missing = next((one.untrained_missing for one in each if one.untrained_missing), None)
    had = [one.held_out for one in each if one.held_out]
    return judged(
        _measured([one.trained for one in each]),
        missing or _measured([one.untrained for one in each if one.untrained]),
        _measured(had) if had else None,
    )


def _measured(each: Sequence[Measured]) -> Measured:
    totals = ("attractors", "fixed_points", "starts")
    summed = {name: sum(getattr(one, name) for one in each) for name in totals}
    return Measured.model_validate({**_rates(each), **summed})


def _place(part: Part) -> Plane | None:
    place = part.audit.summary.plane
    if place is None:
        return None
    return place.model_copy(update={"examples": tuple(part.rows[list(place.examples)].tolist())})


def _strips(parts: Sequence[Part]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Joins the strips of all conditions in the order of the examples, and their captions."""
    frames: dict[str, Tensor] = {}
    captions: dict[str, Any] = dict.fromkeys(STRIPS)
    for name, field in STRIPS.items():
        had = [part for part in parts if name in part.audit.pictures]
        if not had:
            continue
        shown = [getattr(part.audit.summary, name) for part in had]
        rows = torch.cat([_shown(part, name) for part in had])
        order = rows.argsort(stable=True)
        frames[name] = torch.cat([part.audit.pictures[name] for part in had])[order].contiguous()
        values = [value for caption in shown for value in getattr(caption, field)]
        update: dict[str, Any] = {field: tuple(values[i] for i in order.tolist())}
        if hasattr(shown[0], "examples"):
            update["examples"] = tuple(rows[order].tolist())
        captions[name] = shown[0].model_copy(update=update)
    return frames, captions


def _shown(part: Part, name: str) -> Tensor:
    """Returns the examples that strips are of, numbered among all."""
    caption = getattr(part.audit.summary, name)
    places = getattr(caption, "examples", range(len(part.audit.pictures[name])))
    return part.rows[list(places)]
