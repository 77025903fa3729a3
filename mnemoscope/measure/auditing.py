"""`audit`: what a map has memorized, measured in one go."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import polars as pl
import torch
from jaxtyping import Bool, Float, Num, Shaped
from torch import Tensor

from mnemoscope.base.check import LARGEST_SEED, whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.provenance import checksum, versions, weights_checksum
from mnemoscope.base.text import plain
from mnemoscope.base.unit import feature_units, uneven_features
from mnemoscope.data import CORRUPTIONS, corrupt
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import representatives
from mnemoscope.dynamics.neighbours import nearest_among
from mnemoscope.dynamics.orbits import MAX_STEPS, TOL, OrbitOptions
from mnemoscope.dynamics.outcomes import outcomes_of_blocks
from mnemoscope.dynamics.starts import STARTS, Range, Starts, block_size
from mnemoscope.dynamics.stored import MATCH_TOL, checked_match_tol
from mnemoscope.maps import SelfMap, check_map
from mnemoscope.maps.feature_units import in_feature_units
from mnemoscope.maps.prediction_check import check_prediction
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_data
from mnemoscope.maps.wrapped import refuse_range
from mnemoscope.measure.attractors import attractors_table
from mnemoscope.measure.basins import basins_table, from_noise, starts_table
from mnemoscope.measure.certificates import Certified, certify_examples
from mnemoscope.measure.conditional import Conditional, audit_each
from mnemoscope.measure.controls import EACH, TRIALS, controls
from mnemoscope.measure.examples import assess, disclose, examples_table, look
from mnemoscope.measure.frames import noise_strips, recall_strips
from mnemoscope.measure.fresh_inputs import images_of_fresh_inputs
from mnemoscope.measure.membership import membership
from mnemoscope.measure.parts import Interrupted, Parts
from mnemoscope.measure.plane import map_plane, three_examples
from mnemoscope.measure.recall import Recalled, measure_recall, recall_curves
from mnemoscope.measure.summary import summarize
from mnemoscope.measure.whole_set import check_whole_set
from mnemoscope.nets import Network, TrainingRecord
from mnemoscope.results.audit import Audit
from mnemoscope.results.tables import HISTORY, MEMBERSHIP, PLANE, RECALL, ROC
from mnemoscope.results.verdict import verdict

PER_FEATURE = "per_feature"
"""The unit that gives each entry of a state one of its own."""

_log = logging.getLogger("mnemoscope")

BLOCK = 1024
"""Examples that are measured at once: what Ctrl-C can cost."""


def audit(
    f: Stage | SelfMap | Conditional,
    X: Float[Tensor, "n *shape"],
    *,
    starts: int = 1000,
    seed: int = 0,
    match_tol: float = MATCH_TOL,
    tol: float = TOL,
    max_steps: int = MAX_STEPS,
    trials: int = 10,
    corruptions: Mapping[str, Sequence[float]] | None = None,
    start_kinds: Sequence[str] = tuple(STARTS),
    held_out: Float[Tensor, "h *shape"] | None = None,
    conditions: Shaped[Tensor, "n *condition"] | None = None,
    held_out_conditions: Shaped[Tensor, "h *condition"] | None = None,
    among: Num[Tensor, "m *shape"] | None = None,
    spectrum_size: int = 6,
    max_products: int = 2_000,
    certificates: int = 100,
    batch_size: int | None = None,
    unit: float | Literal["per_feature"] | None = None,
    name: str | None = None,
    source: Mapping[str, Any] | None = None,
    command: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    leaves_out: Callable[[str], bool] = lambda _: False,
    on_progress: Callable[[str], object] | None = None,
) -> Audit:
    """Finds out which training examples a map has memorized, how strongly, and what else.

    For each example: is it reproduced, is the map contractive there, is it stored (does its orbit
    converge to an attractor within `match_tol`), how is it recalled from each corruption at each
    strength, how large is its basin. For the map: every attractor found from noise, from corrupted
    examples and from held-out data, spurious ones, cycles, starts that never settle; how far its
    outputs lie from the span of the examples; effective ranks. Orbits that leave the map's domain
    (`SelfMap(..., domain=)`, or where it raises) count as starts that end at no attractor.

    Args:
        f: The network, a `SelfMap` or any callable that acts on a batch.
        X: `(n, *shape)`, the training examples.
        starts: Starts of each distribution.
        seed: Of all that is drawn.
        match_tol: The largest distance (RMS, in units) at which an attractor stores or discloses
            an example; see `mnemoscope.dynamics.stored`.
        tol: An orbit has converged when it is within this of its limit (RMS, in units).
        max_steps: Applications of `f` after which an orbit counts as unsettled.
        trials: Corrupted copies of each example for each corruption and strength.
        corruptions: The strengths of each corruption to try; by default those of
            `mnemoscope.data.CORRUPTIONS` that states of this shape admit.
        start_kinds: Names in `mnemoscope.dynamics.STARTS`. Starts bred from what they find follow.
        held_out: `(h, *shape)`, data not trained on: one more distribution of starts, a control,
            and what scores for membership are told from.
        conditions: `(n, *condition)`, what each example is reproduced with (a class label, a time,
            covariates): `f(z, c)` then takes a batch of states and one of conditions. Each distinct
            condition is a map of its own, audited at its examples from `starts` starts of each
            distribution; see `mnemoscope.measure.conditional` for how the results are added up.
        held_out_conditions: `(h, *condition)`, those of the held-out data.
        among: `(m, *shape)`, all training examples, where `X` is a part of them. They give the
            unit; the distance to the nearest other example is that among all of them; and an
            attractor within `match_tol` of any of them is not spurious. No copy of them is made.
        spectrum_size: Leading eigenvalues to compute at each example.
        max_products: Jacobian-vector products at each example after which its spectrum is taken as
            it is; the table tells the residuals.
        certificates: Stored examples whose attractors are to be proved, at most; 0 for none. Takes
            about a second for each.
        batch_size: States worked on at once; by default what is fast and fits into memory.
        unit: The scale of the data, of which tolerances, distances and noise are shares (default:
            the map's, else that of `X`; see `mnemoscope.base.unit`). `per_feature`: each entry of a
            state has a unit of its own, its range over `X` (`mnemoscope.maps.feature_units`).
        name: What to call the map in the report.
        source: How the data were loaded, for the provenance; JSON values.
        command: The command that asked for this audit, for the provenance.
        checkpoint: A file. Finished parts are written to it on Ctrl-C and about every minute; where
            it exists, this very audit goes on from them. It is left there at the end.
        leaves_out: Asked with the name of each part before it begins; a part for which it returns
            true is left out, and listed in `summary["left_out"]`.
        on_progress: Called with a few words before each part of the work.

    Raises:
        MnemoscopeError: `X` is no batch of states of the map or has NaN or infinity, an option is
            out of range, or the checkpoint is of another audit.
        Interrupted: Ctrl-C, once a part is finished; `result` is the audit of what is finished,
            and its `summary["partial"]` lists what is missing.
    """
    if conditions is not None or held_out_conditions is not None:
        return audit_each(
            audit, f, given_examples(X), conditions, (held_out, held_out_conditions),
            {
                "starts": starts, "seed": seed, "match_tol": match_tol, "tol": tol,
                "max_steps": max_steps, "trials": trials, "corruptions": corruptions,
                "start_kinds": start_kinds, "spectrum_size": spectrum_size,
                "max_products": max_products, "certificates": certificates,
                "batch_size": batch_size, "leaves_out": leaves_out, "unit": unit,
                "name": name, "source": source,
                "command": command, "checkpoint": checkpoint, "on_progress": on_progress,
            },
            among=among,
        )  # fmt: skip
    begun = time.perf_counter()
    tell = on_progress or (lambda _: None)
    X = given_examples(X)
    f = as_self_map(f, X.shape[1:])
    X = _checked(f, X, "the examples").clone()
    for stage in f.stages:
        refuse_range(stage, X)
    held_out = (
        None if held_out is None else _checked(f, given_examples(held_out), "the held-out data")
    )
    f.refuse_outside(X, "example")
    if held_out is not None:
        f.at_each(held_out, "held-out example")
    if among is not None:
        among = given_examples(among)
        check_whole_set(f, among)
    asked, given = f, X
    f, scale = _scaled(f, X, unit, among)
    if scale is not None:
        X, held_out = X / scale, None if held_out is None else held_out / scale
    _check_options(starts, trials, seed, spectrum_size, batch_size, match_tol)
    whole_number("max_products", max_products, least=1)
    whole_number("max_steps", max_steps, least=1)
    whole_number("certificates", certificates, least=0)
    span = Range.of(X)
    corruptions = _admitted(X) if corruptions is None else _tried(X, corruptions)
    options: OrbitOptions = {"tol": tol, "max_steps": max_steps, "batch_size": batch_size}
    for kind in start_kinds:
        Starts(kind, starts, span)

    with f.evaluating(), ExitStack() as stack:
        check_map(f, X, finite=False)
        check_prediction(f, X, clean=True)
        parts = Parts.of_map(
            checkpoint, f, X,
            {
                "starts": starts, "seed": seed, "match_tol": match_tol, "tol": tol,
                "max_steps": max_steps, "trials": trials, "corruptions": plain(dict(corruptions)),
                "start_kinds": list(start_kinds), "spectrum_size": spectrum_size,
                "max_products": max_products, "certificates": certificates,
                **{
                    name: checksum(states)
                    for name, states in (("held_out", held_out), ("among", among))
                    if states is not None and checkpoint is not None
                },
            },
            leaves_out=leaves_out, tell=tell,
        )  # fmt: skip
        stack.enter_context(parts.kept())
        atlas, looked = Atlas.empty(f), []
        for first in range(0, len(X), BLOCK):
            atlas, block = parts.part(
                f"examples {first}",
                partial(
                    look, f, X[first : first + BLOCK], atlas, spectrum_size=spectrum_size,
                    max_products=max_products, first=first, **options,
                ),
                (atlas, None),
                what="some of the examples",
                stage="the examples",
            )  # fmt: skip
            looked += [] if block is None else [block]
        done = sum(len(block.images) for block in looked)
        every, X = X if among is None else among, X[:done]
        among = among if done == len(given) else every
        examined = assess(f, X, atlas, looked, match_tol=match_tol, tol=tol, among=among)
        outputs = parts.part(
            "images of fresh inputs",
            partial(images_of_fresh_inputs, f, span, seed),
            X.new_empty(0, *f.shape),
        )
        atlas, noise = parts.part(
            "orbits from noise",
            partial(from_noise, f, atlas, start_kinds, span, starts=starts, seed=seed, **options),
            (atlas, []),
        )
        ended = list(noise)
        atlas, recalled = parts.part(
            "orbits from corrupted examples",
            partial(
                measure_recall, f, X, atlas, examined, corruptions, trials=trials, seed=seed,
                **options,
            ),
            (atlas, Recalled(pl.DataFrame(schema=RECALL), None)),
        )  # fmt: skip
        if recalled.ended is not None:
            ended.append(recalled.ended)
        if held_out is not None:
            blocks = held_out.split(block_size(f.size))
            atlas, part = parts.part(
                "orbits from held-out data",
                partial(outcomes_of_blocks, f, atlas, "held_out", blocks, **options),
                (atlas, None),
            )
            ended += [] if part is None else [part]
        three, plane = three_examples(X, examined), None
        if three is not None:
            atlas, plane = parts.part(
                "basins on a plane",
                partial(map_plane, f, X, three, atlas, **options),
                (atlas, None),
            )

        states, nearest_example, distance = representatives(atlas, X)
        distance = distance / f.unit
        example_of = torch.where(distance <= match_tol, nearest_example, -1)
        matches = _match(f, atlas, example_of, among, match_tol)
        disclosure = disclose(f, X, atlas, match_tol)
        shown = parts.part(
            "orbits of corrupted examples as pictures",
            partial(recall_strips, f, X, atlas, examined, corruptions, seed=seed, **options),
            None,
            what="pictures of orbits",
        )
        pulled = parts.part(
            "orbits from noise as pictures",
            partial(noise_strips, f, atlas, example_of, noise, **options),
            None,
            what="pictures of orbits",
        )
        proved = parts.part(
            "certificates",
            partial(certify_examples, f, atlas, examined, most=certificates),
            Certified.none(examined, "certificates were left out"),
        )
        separated = None
        if held_out is not None:
            separated = parts.part(
                "membership",
                partial(
                    membership, f, X, held_out, seed=seed, max_products=max_products,
                    examined=examined, **options,
                ),
                None,
            )  # fmt: skip
        control = parts.part(
            "controls",
            partial(
                controls, f, X, held_out, seed=seed, match_tol=match_tol, starts=min(starts, EACH),
                trials=min(trials, TRIALS), known=examined,
                drawn=(atlas, noise) if starts <= EACH else None, max_products=max_products,
                start_kinds=start_kinds, **options,
            ),
            None,
        )  # fmt: skip

    network = next((m for m in asked.modules if isinstance(m, Network)), None)
    record = None if network is None else network.training_record
    curves = recall_curves(recalled.table)
    attractors = attractors_table(atlas, nearest_example, distance, ~matches, noise)
    summary = {
        "name": name or _name(asked),
        **summarize(X, outputs, examined, curves, attractors, noise, record, disclosure, f.unit),
        **proved.summary(),
        "membership": None if separated is None else separated.summary(),
        "controls": None if control is None else control.summary(),
        "black_box": not f.differentiable,
        "resolution": asdict(f.resolution),
        "derivatives": asdict(f.derivatives),
        "domain": _domain(asked, f),
        "match_tol": match_tol,
        "tol": tol,
        "unit": f.unit,
        "among": None if among is None else len(among),
        "partial": parts.missing or None,
        "left_out": parts.left_out or None,
        "recall_frames": None if shown is None else shown.caption,
        "noise_frames": None if pulled is None else pulled.caption,
        "plane": None if plane is None else plane.place,
        "seconds": parts.seconds + time.perf_counter() - begun,
    }
    pictures = {
        "examples": X,
        "attractors": states,
        "recall_frames": None if shown is None else shown.frames,
        "noise_frames": None if pulled is None else pulled.frames,
    }
    result = Audit(
        examples=examples_table(
            examined,
            atlas,
            attractors,
            recalled.table,
            torch.stack([proved.radius, proved.rate]),
            disclosure,
        ),
        attractors=attractors,
        recall=recalled.table,
        curves=curves,
        starts=starts_table(ended, matches, atlas.period, examined),
        basins=basins_table(ended),
        spectra=examined.spectra,
        history=_history(record),
        plane=pl.DataFrame(schema=PLANE) if plane is None else plane.table,
        membership=pl.DataFrame(schema=MEMBERSHIP) if separated is None else separated.table,
        roc=pl.DataFrame(schema=ROC) if separated is None else separated.roc,
        summary={"verdict": verdict(summary), **summary},
        provenance={
            "versions": versions(),
            "spec": None if network is None else network.spec.model_dump(mode="json"),
            "training": None
            if record is None
            else record.model_dump(mode="json", exclude={"history"}),
            "seed": seed,
            "data_checksum": checksum(given),
            "weights_checksum": weights_checksum(asked.modules),
            "data": None if source is None else dict(source),
            "command": command,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": {
                "starts": starts,
                "start_kinds": list(start_kinds),
                "trials": trials,
                "corruptions": {kind: list(s) for kind, s in corruptions.items()},
                "match_tol": match_tol,
                "tol": tol,
                "max_steps": max_steps,
                "unit": f.unit,
                "feature_units": None if scale is None else scale.flatten().tolist(),
                "max_products": max_products,
                "certificates": certificates,
                "budget": f.budget,
                "dtype": str(f.dtype).removeprefix("torch."),
                "device": str(f.device),
                "held_out": 0 if held_out is None else len(held_out),
                "among": None if among is None else len(among),
            },
        },
        pictures={
            key: (value if scale is None else value * scale).detach().cpu().contiguous()
            for key, value in pictures.items()
            if value is not None
        },
    )
    if parts.missing:
        raise Interrupted(result)
    return result


def _match(
    f: SelfMap, atlas: Atlas, example_of: Tensor, among: Tensor | None, match_tol: float
) -> Bool[Tensor, " m"]:
    """Whether each attractor has a state within `match_tol` of an example, of all there are."""
    matches = example_of >= 0
    if among is None or not len(atlas):
        return matches
    near = nearest_among(atlas.states, among)[1] <= match_tol * f.unit
    matches[atlas.owner[near]] = True
    return matches


def _scaled(
    f: SelfMap, X: Tensor, unit: float | str | None, among: Tensor | None
) -> tuple[SelfMap, Float[Tensor, "*shape"] | None]:
    """The map in the unit asked for, and the units of single features if they are to have some."""
    if unit == PER_FEATURE:
        if among is not None:
            raise MnemoscopeError(
                f"unit={unit!r} with examples that are a part of others",
                expected="a number above 0",
                todo="divide the examples by the range of each feature, and conjugate the map",
            )
        scale = feature_units(X)
        return in_feature_units(f, scale), scale
    if isinstance(unit, str):
        raise MnemoscopeError(
            f"unit={unit!r}",
            expected=f"a number above 0, or {PER_FEATURE!r}",
            todo="omit it for the range of the examples",
        )
    ratio = uneven_features(X)
    if ratio is not None and unit is None:
        _log.warning(
            "the features differ in scale by a factor of %.3g, so distances hardly depend on the "
            "small ones; unit=%r (--unit per-feature) gives each feature its own unit",
            ratio,
            PER_FEATURE,
        )
    every = X if among is None else among
    return in_unit_of_data(f, every) if unit is None else f.with_unit(unit), None


def _domain(asked: SelfMap, measured: SelfMap) -> dict[str, Any] | None:
    """The bounds of the map's domain and what it raised beyond it; None where it takes all."""
    refused = measured.findings.refused or None
    low, high = (None, None) if asked.domain is None else asked.domain.bounds or (None, None)
    return None if not asked.bounded and refused is None else {
        "low": low, "high": high, "refused": refused,
    }  # fmt: skip


def _checked(f: SelfMap, Z: Tensor, name: str) -> Tensor:
    """A batch of states that is not empty, all of them finite."""
    states = f.batch(Z)
    if len(states) == 0:
        raise MnemoscopeError(
            f"{name} of shape {tuple(Z.shape)}", expected="at least one", todo="pass some"
        )
    if not bool(torch.isfinite(states).all()):
        where = (~torch.isfinite(states)).nonzero()[0].tolist()
        raise MnemoscopeError(
            f"NaN or infinity in {name} at index {where}",
            expected=f"finite numbers within the range of {f.dtype}",
            todo="mend or leave out that example",
        )
    return states


def _check_options(
    starts: int,
    trials: int,
    seed: int,
    spectrum_size: int,
    batch_size: int | None,
    match_tol: float,
) -> None:
    for name, value in (("starts", starts), ("trials", trials), ("spectrum_size", spectrum_size)):
        whole_number(name, value, least=1)
    whole_number("seed", seed, least=0, most=LARGEST_SEED)
    if batch_size is not None:
        whole_number("batch_size", batch_size, least=1)
    checked_match_tol(match_tol)


def _admitted(X: Tensor) -> dict[str, tuple[float, ...]]:
    """The strengths of each corruption that these examples admit: one alone cannot be mixed."""
    return {
        name: corruption.strengths
        for name, corruption in CORRUPTIONS.items()
        if (X.ndim > 2 or not corruption.pictures_only) and (len(X) > 1 or name != "mix")
    }


def _tried(X: Tensor, corruptions: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """The corruptions asked for, each strength once, every one of them tried on two examples."""
    admitted: dict[str, tuple[float, ...]] = {}
    for kind, strengths in corruptions.items():
        try:
            admitted[kind] = tuple(dict.fromkeys(float(strength) for strength in strengths))
        except (TypeError, ValueError) as error:
            raise MnemoscopeError(
                f"strengths {strengths!r} of the corruption {kind!r}",
                expected="a list of numbers",
                todo=f"pass corruptions={{{kind!r}: [0.1, 0.2]}}",
            ) from error
        for strength in admitted[kind]:
            corrupt(X[:2], kind, strength)
    return admitted


def _name(f: SelfMap) -> str:
    return type(f.modules[0]).__name__ if f.modules else "a map"


def _history(record: TrainingRecord | None) -> pl.DataFrame:
    rows = [] if record is None else [row.model_dump() for row in record.history]
    return pl.DataFrame(rows, schema=HISTORY)
