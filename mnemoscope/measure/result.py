"""The audit that measurements become: tables, summary, provenance, pictures."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.base.provenance import checksum, versions, weights_checksum
from mnemoscope.base.stats import Rate
from mnemoscope.data import CORRUPTIONS, duplicates
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import representatives
from mnemoscope.dynamics.neighbours import nearest_among
from mnemoscope.dynamics.orbits import Status
from mnemoscope.dynamics.outcomes import Outcomes, reached_by
from mnemoscope.dynamics.starts import Range, Starts
from mnemoscope.linalg import distance_to_span, effective_rank
from mnemoscope.maps import SelfMap
from mnemoscope.measure.attractors import attractors_table, basins_table, starts_table
from mnemoscope.measure.certificates import Certified
from mnemoscope.measure.columns import column_records, with_columns
from mnemoscope.measure.examples import Disclosure, Examined, disclose, examples_table
from mnemoscope.measure.membership_scores import Membership
from mnemoscope.measure.options import AuditRun
from mnemoscope.measure.parts import Parts
from mnemoscope.measure.pictures import BasinPlane, Strips
from mnemoscope.measure.recall import Recalled, recall_curves
from mnemoscope.measure.subject import Subject, name_of
from mnemoscope.nets import Network, TrainingRecord
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import (
    Controls,
    Derivatives,
    Domain,
    EffectiveRank,
    NearestSpurious,
    Reached,
    RecallRate,
    Resolution,
    SpanDistance,
    Summary,
)
from mnemoscope.results.tables import HISTORY, MEMBERSHIP, NOISE, PLANE, ROC
from mnemoscope.training import TrainingOptions

INPUTS = 256
"""Fresh uniform inputs."""

ENTRIES = 2**22
"""Entries of these inputs, 16 MiB of float32: states of more than 16,384 entries have fewer, since
their images are held in float64 for the ranks."""

FEWEST = 16
"""Fresh inputs of the largest states: a median of fewer says little."""


def images_of_fresh_inputs(f: SelfMap, span: Range, seed: int) -> Float[Tensor, "h *shape"]:
    """Evaluates the map at uniform inputs within the range of the data and its own domain."""
    count = max(FEWEST, min(INPUTS, ENTRIES // f.size))
    blocks = Starts("uniform", count, span, seed).blocks(f.shape, dtype=f.dtype, device=f.device)
    return torch.cat([f(f.clipped(block)) for block in blocks])


@dataclass
class Measurements:
    """What was measured so far; the atlas grows with each part that follows orbits.

    What was not measured is None.
    """

    atlas: Atlas
    examined: Examined
    # Images of fresh inputs.
    outputs: Float[Tensor, "h *shape"]
    # Where starts from noise ended.
    noise: list[Outcomes]
    recalled: Recalled
    proved: Certified
    # Where all starts ended, each distribution.
    ended: list[Outcomes] = field(default_factory=list)
    plane: BasinPlane | None = None
    recall_strips: Strips | None = None
    noise_strips: Strips | None = None
    membership: Membership | None = None
    controls: Controls | None = None
    # Added columns by name, a value for each example.
    columns: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Matches:
    """The attractors that were found, and the examples that they match."""

    # The state of each attractor that is nearest to an example, that example, and the RMS distance
    # to it in units.
    states: Float[Tensor, "m *shape"]
    nearest_example: Int[Tensor, " m"]
    distance: Float[Tensor, " m"]
    # The example within `match_tol`; -1: none.
    example_of: Int[Tensor, " m"]
    # Whether any training example is that near, audited or not.
    any_example: Bool[Tensor, " m"]

    @classmethod
    def of(cls, subject: Subject, atlas: Atlas) -> "Matches":
        """Matches attractors with the examples of a subject."""
        f, within = subject.f, subject.tolerances.match_tol
        states, nearest_example, distance = representatives(atlas, subject.X)
        distance = distance / f.unit
        example_of = torch.where(distance <= within, nearest_example, -1)
        matches = example_of >= 0
        if subject.among is not None and len(atlas):
            near = nearest_among(atlas.states, subject.among)[1] <= within * f.unit
            matches[atlas.owner[near]] = True
        return cls(states, nearest_example, distance, example_of, matches)


INTERPOLATION = 1e-8
"""The training loss that counts as interpolation where no training record states another."""


def summarize(
    X: Float[Tensor, "n *shape"],
    found: Measurements,
    disclosure: Disclosure,
    curves: pl.DataFrame,
    attractors: pl.DataFrame,
    record: TrainingRecord | None,
    unit: float,
) -> dict[str, Any]:
    """Computes the fields of the summary that are made from tables and counts."""
    examined, noise = found.examined, found.noise
    kind, strength = NOISE
    at_noise = curves.filter((pl.col("corruption") == kind) & (pl.col("strength") == strength))
    radii = examined.radii
    starts = sum(len(part.labels) for part in noise)
    late, left = (
        sum(int((part.status == status).sum()) for part in noise)
        for status in (Status.UNSETTLED, Status.LEFT_DOMAIN)
    )
    loss = float(examined.residual.double().square().mean())
    if record is not None and record.targets:
        # It was not fitted to reproduce these examples, so only its record knows how well it fits.
        training_loss, interpolated = record.loss, record.converged
    else:
        # A hundredth more than `tol`: the order of a sum depends on how a batch is cut.
        training_loss = loss
        tol = INTERPOLATION if record is None else TrainingOptions.of(record.options).tol
        interpolated = loss <= 1.01 * tol
    return {
        "examples": len(X),
        "stored": Rate.of(radii.count(examined.stored), radii.total),
        "disclosed": Rate.of(radii.count(disclosure.disclosed), radii.total),
        "indistinguishable": radii.count(radii.indistinguishable),
        "contractive": Rate.of(examined.contractive.count("yes"), len(X)),
        "undecided": examined.contractive.count("undecided"),
        "contractive_in_norm": None
        if examined.operator_norm is None
        else Rate.of(int((examined.operator_norm < 1).sum()), len(X)),
        "recalled": None
        if at_noise.is_empty()
        else RecallRate.of(
            at_noise["recalled"][0], at_noise["trials"][0], corruption=kind, strength=strength
        ),
        "reached": Reached(
            examined.reached(reached_by(noise).to(examined.attractor.device)),
            radii.total,
            starts=starts,
        ),
        **counted(attractors),
        "unsettled": Rate.of(late, starts),
        "left_domain": Rate.of(left, starts),
        "loss": loss,
        "training_loss": training_loss,
        "interpolated": interpolated,
        **spanned(X, found.outputs, unit),
        "duplicates": tuple(duplicates(X)),
    }


def counted(attractors: pl.DataFrame) -> dict[str, Any]:
    """Counts the attractors and the spurious ones, and finds the spurious one nearest to data."""
    spurious = attractors.filter("spurious")
    row = next(spurious.sort("distance").head(1).iter_rows(named=True), None)
    return {
        "attractors": len(attractors),
        "spurious": spurious.filter(pl.col("kind") == "fixed_point").height,
        "cycles": spurious.filter(pl.col("kind") == "cycle").height,
        "nearest_spurious": None
        if row is None
        else NearestSpurious(
            attractor=row["id"], example=row["nearest_example"], distance=row["distance"]
        ),
    }


def spanned(
    X: Float[Tensor, "n *shape"], outputs: Float[Tensor, "h *shape"], unit: float
) -> dict[str, Any]:
    """Compares the images of fresh inputs, where they are finite, with the span of the examples."""
    outputs = outputs[torch.isfinite(outputs).flatten(1).all(dim=1)]
    median = float(distance_to_span(outputs, X).median()) / unit if len(outputs) else None
    examples, images = effective_rank(X), effective_rank(outputs)
    return {
        "span_distance": SpanDistance(median=median, inputs=len(outputs)),
        "effective_rank": EffectiveRank(
            examples=examples.participation,
            examples_count=examples.count,
            outputs=images.participation,
            outputs_count=images.count,
            threshold=examples.threshold,
        ),
    }


def result_of(
    subject: Subject,
    found: Measurements,
    *,
    given: Subject,
    run: AuditRun,
    parts: Parts,
    seconds: float,
) -> Audit:
    """Makes the audit of what was measured; `given` has all examples that were to be."""
    atlas, examined, separated = found.atlas, found.examined, found.membership
    matches, disclosure = Matches.of(subject, atlas), disclose(subject, atlas)
    attractors = attractors_table(
        atlas, matches.nearest_example, matches.distance, ~matches.any_example, found.noise
    )
    certified = torch.stack([found.proved.radius, found.proved.rate])
    recall, curves = found.recalled.table, recall_curves(found.recalled.table)
    examples = examples_table(examined, atlas, attractors, recall, certified, disclosure)
    network = next((each for each in given.given.modules if isinstance(each, Network)), None)
    record = None if network is None else network.training_record
    return Audit(
        examples=with_columns(examples, found.columns),
        attractors=attractors,
        recall=recall,
        curves=curves,
        starts=starts_table(found.ended, matches.any_example, atlas.period, examined),
        basins=basins_table(found.ended),
        spectra=examined.spectra,
        history=pl.DataFrame(
            [row.model_dump() for row in record.history] if record else [], schema=HISTORY
        ),
        plane=pl.DataFrame(schema=PLANE) if found.plane is None else found.plane.table,
        membership=pl.DataFrame(schema=MEMBERSHIP) if separated is None else separated.table,
        roc=pl.DataFrame(schema=ROC) if separated is None else separated.roc,
        summary=Summary(
            **summarize(subject.X, found, disclosure, curves, attractors, record, subject.f.unit),
            **_map_facts(subject, found),
            name=name_of(given.given, run),
            partial=tuple(dict.fromkeys(parts.missing)),
            left_out=tuple(dict.fromkeys(parts.left_out)),
            seconds=seconds,
        ),
        provenance=_provenance(given, run, network),
        pictures=_pictures(subject, found, matches),
    )


def _map_facts(subject: Subject, found: Measurements) -> dict[str, Any]:
    """Returns the fields of the summary about the map and the parts that it may lack."""
    f, near = subject.f, subject.tolerances
    return {
        "corruptions": tuple(corruption.label for corruption in CORRUPTIONS.values()),
        "certified": found.proved.certified,
        "certified_missing": found.proved.why_not,
        "membership": None if found.membership is None else found.membership.summary(),
        "controls": found.controls,
        "black_box": not f.differentiable,
        "resolution": Resolution(**asdict(f.resolution)),
        "derivatives": Derivatives(**asdict(f.derivatives)),
        "domain": _domain(subject.given, f),
        "match_tol": near.match_tol,
        "tol": near.tol,
        "unit": f.unit,
        "among": None if subject.among is None else len(subject.among),
        "recall_frames": None if found.recall_strips is None else found.recall_strips.caption,
        "noise_frames": None if found.noise_strips is None else found.noise_strips.caption,
        "plane": None if found.plane is None else found.plane.place,
    }


def _provenance(given: Subject, run: AuditRun, network: Network | None) -> dict[str, Any]:
    f, scale = given.f, given.scale
    record = None if network is None else network.training_record
    settings = {
        **given.options.record(),
        "corruptions": {kind: list(s) for kind, s in given.corruptions.items()},
        "unit": f.unit,
        "feature_units": None if scale is None else scale.flatten().tolist(),
        "budget": f.budget,
        "dtype": str(f.dtype).removeprefix("torch."),
        "device": str(f.device),
        "held_out": 0 if given.held_out is None else len(given.held_out),
        "among": None if given.among is None else len(given.among),
    }
    return {
        "versions": versions(),
        "spec": None if network is None else network.spec.model_dump(mode="json"),
        "training": None if record is None else record.provenance(),
        "seed": given.seed,
        "data_checksum": checksum(given.original),
        "weights_checksum": weights_checksum(given.given.modules),
        "data": None if run.source is None else dict(run.source),
        "command": run.command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings,
        "columns": column_records(),
    }


def _pictures(subject: Subject, found: Measurements, matches: Matches) -> dict[str, Tensor]:
    """Returns what is drawn, in the scale of the data."""
    scale, strips = subject.scale, (found.recall_strips, found.noise_strips)
    pictures = {
        "examples": subject.X,
        "attractors": matches.states,
        "recall_frames": None if strips[0] is None else strips[0].frames,
        "noise_frames": None if strips[1] is None else strips[1].frames,
    }
    return {
        name: (value if scale is None else value * scale).detach().cpu().contiguous()
        for name, value in pictures.items()
        if value is not None
    }


def _domain(asked: SelfMap, measured: SelfMap) -> Domain | None:
    """Returns the domain's bounds and what the map raised outside; None: it has no bounds."""
    refused = measured.findings.refused or None
    low, high = (None, None) if asked.domain is None else asked.domain.bounds or (None, None)
    if not asked.bounded and refused is None:
        return None
    return Domain(low=low, high=high, refused=refused)
