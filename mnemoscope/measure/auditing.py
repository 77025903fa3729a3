"""`audit`: what a map has memorized, measured in one go."""

import time
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl
from jaxtyping import Num
from torch import Tensor

from mnemoscope.base.check import with_given
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.outcomes import outcomes_of_blocks
from mnemoscope.dynamics.starts import block_size
from mnemoscope.maps import SelfMap
from mnemoscope.maps.self_map import Stage
from mnemoscope.measure.attractors import from_noise
from mnemoscope.measure.certificates import Certified, certify_examples
from mnemoscope.measure.columns import COLUMNS, added_columns
from mnemoscope.measure.examples import (
    Looked,
    assess,
    look,
)
from mnemoscope.measure.membership_scores import measure_membership
from mnemoscope.measure.negative_controls import EACH, TRIALS, measure_controls
from mnemoscope.measure.options import AuditOptions, AuditRun
from mnemoscope.measure.parts import Interrupted, Parts
from mnemoscope.measure.pictures import map_plane, noise_strips, recall_strips, three_examples
from mnemoscope.measure.recall import Recalled, measure_recall
from mnemoscope.measure.result import Matches, Measurements, images_of_fresh_inputs, result_of
from mnemoscope.measure.subject import Subject
from mnemoscope.results.audit import Audit
from mnemoscope.results.tables import RECALL

BLOCK = 1024
"""Examples that are measured at once: what Ctrl-C can cost."""


def audit(
    f: Stage | SelfMap,
    X: Num[Tensor, "n *shape"],
    options: AuditOptions | None = None,
    *,
    held_out: Num[Tensor, "h *shape"] | None = None,
    seed: int = 0,
    starts: int | None = None,
    trials: int | None = None,
    run: AuditRun | None = None,
) -> Audit:
    """Finds out which training examples a map has memorized, how strongly, and what else.

    For each example: is it reproduced, is the map contractive there, is it stored (does its orbit
    converge to an attractor within `match_tol`), how is it recalled from each corruption at each
    strength, how large is its basin. For the map: every attractor found from noise, from corrupted
    examples and from held-out data, spurious ones, cycles, starts that never settle; how far its
    outputs lie from the span of the examples; effective ranks. Orbits that leave the map's domain
    (`SelfMap(..., domain=)`, or where it raises) count as starts that end at no attractor.

    Args:
        f: The network, a `SelfMap` or any callable that acts on a batch. A map of states and
            conditions is audited by `mn.audit_conditional`.
        X: `(n, *shape)`, the training examples.
        options: What is tried, and how near counts as there.
        held_out: `(h, *shape)`, data not trained on: one more distribution of starts, a control,
            and the non-members for membership scores.
        seed: Random seed.
        starts: Starts of each distribution (default: as in the options).
        trials: Corrupted copies of each example for each corruption and strength (default: as in
            the options).
        run: How the audit is carried out and recorded: checkpoint, progress, provenance.

    Raises:
        MnemoscopeError: `X` is no batch of states of the map or has NaN or infinity, an option is
            out of range, or the checkpoint is of another audit.
        Interrupted: Ctrl-C, once a part is finished; `result` is the audit of what is finished,
            and its `summary.partial` lists what is missing.
    """
    begun = time.perf_counter()
    run = run or AuditRun()
    options = with_given(options or AuditOptions(), starts=starts, trials=trials)
    subject = Subject.of(f, X, options, held_out=held_out, among=run.among, seed=seed)
    with subject.f.evaluating():
        subject.check()
        parts = _parts(subject, run)
        with parts.kept():
            audited, found = _measure(subject, parts)
            seconds = parts.seconds + time.perf_counter() - begun
            result = result_of(audited, found, given=subject, run=run, parts=parts, seconds=seconds)
    if parts.missing:
        raise Interrupted(result)
    return result


def _parts(subject: Subject, run: AuditRun) -> Parts:
    identity: dict[str, Any] = {**subject.options.record(), "seed": subject.seed}
    identity["corruptions"] = {kind: list(s) for kind, s in subject.corruptions.items()}
    data = {"held_out": subject.held_out, "among": subject.among}
    identity |= {name: states for name, states in data.items() if states is not None}
    # How many states are evaluated at once changes no number.
    del identity["batch_size"]
    hooks = {"leaves_out": run.leaves_out, "on_part": run.on_progress}
    return Parts.of_map(run.checkpoint, subject.f, subject.X, identity, **hooks)


def _measure(subject: Subject, parts: Parts) -> tuple[Subject, Measurements]:
    """Takes the measurements one after the other; the subject has the examples that are done."""
    atlas, looked = _look(subject, parts)
    done = sum(len(block.images) for block in looked)
    if done < len(subject.X):
        every = subject.X if subject.among is None else subject.among
        subject = replace(subject, X=subject.X[:done], among=every)
    f = subject.f
    examined = assess(subject, atlas, looked)
    outputs = parts.part(
        "images of fresh inputs",
        partial(images_of_fresh_inputs, f, subject.span, subject.seed),
        subject.X.new_empty(0, *f.shape),
    )
    atlas, noise = parts.part("orbits from noise", partial(from_noise, subject, atlas), (atlas, []))
    atlas, recalled = parts.part(
        "orbits from corrupted examples",
        partial(measure_recall, subject, atlas, examined),
        (atlas, Recalled(pl.DataFrame(schema=RECALL), None)),
    )
    proved = Certified.none(examined, "certificates were left out")
    found = Measurements(atlas, examined, outputs, noise, recalled, proved)
    _measure_more_orbits(subject, parts, found)
    _measure_what_is_known(subject, parts, found)
    return subject, found


def _look(subject: Subject, parts: Parts) -> tuple[Atlas, list[Looked]]:
    atlas, looked = Atlas.empty(subject.f), []
    for first in range(0, len(subject.X), BLOCK):
        block = subject.X[first : first + BLOCK]
        atlas, part = parts.part(
            f"examples {first}",
            partial(look, subject, block, atlas, first=first),
            (atlas, None),
            what="some of the examples",
            stage="the examples",
        )
        looked += [] if part is None else [part]
    return atlas, looked


def _measure_more_orbits(subject: Subject, parts: Parts, found: Measurements) -> None:
    """Follows orbits from held-out data and from the plane through three examples."""
    f = subject.f
    found.ended = [*found.noise, *([found.recalled.ended] if found.recalled.ended else [])]
    if subject.held_out is not None:
        blocks = subject.held_out.split(block_size(f.size))
        found.atlas, part = parts.part(
            "orbits from held-out data",
            partial(outcomes_of_blocks, f, found.atlas, "held_out", blocks, **subject.orbits),
            (found.atlas, None),
        )
        found.ended += [] if part is None else [part]
    three = three_examples(subject.X, found.examined)
    if three is not None:
        found.atlas, found.plane = parts.part(
            "basins on a plane",
            partial(map_plane, subject, three, found.atlas),
            (found.atlas, None),
        )


def _measure_what_is_known(subject: Subject, parts: Parts, found: Measurements) -> None:
    """Measures what needs the attractors: pictures, certificates, membership, controls."""
    atlas, examined, options = found.atlas, found.examined, subject.options
    found.recall_strips = parts.part(
        "orbits of corrupted examples as pictures",
        partial(recall_strips, subject, atlas, examined),
        None,
        what="pictures of orbits",
    )
    found.noise_strips = parts.part(
        "orbits from noise as pictures",
        partial(noise_strips, subject, atlas, Matches.of(subject, atlas).example_of, found.noise),
        None,
        what="pictures of orbits",
    )
    found.proved = parts.part(
        "certificates", partial(certify_examples, subject, atlas, examined), found.proved
    )
    if subject.held_out is not None:
        found.membership = parts.part(
            "membership", partial(measure_membership, subject, examined), None
        )
    if COLUMNS:
        names = "columns of " + ", ".join(COLUMNS)
        found.columns = parts.part(names, partial(added_columns, subject), {})
    few = replace(options, starts=min(options.starts, EACH), trials=min(options.trials, TRIALS))
    drawn = (atlas, found.noise) if options.starts <= EACH else None
    found.controls = parts.part(
        "controls",
        partial(measure_controls, replace(subject, options=few), examined, drawn),
        None,
    )
