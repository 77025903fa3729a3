"""The audit that measurements become: tables, summary, provenance, pictures."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
import torch
from torch import Tensor

from mnemoscope.base.provenance import checksum, versions, weights_checksum
from mnemoscope.maps import SelfMap
from mnemoscope.measure.attractors import attractors_table
from mnemoscope.measure.basins import basins_table, starts_table
from mnemoscope.measure.columns import column_records, with_columns
from mnemoscope.measure.examples import disclose, examples_table
from mnemoscope.measure.measurements import Matches, Measurements
from mnemoscope.measure.options import AuditRun
from mnemoscope.measure.recall import recall_curves
from mnemoscope.measure.subject import Subject
from mnemoscope.measure.summary import Measured, summarize
from mnemoscope.nets import Network, TrainingRecord
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import Derivatives, Domain, Resolution, Summary
from mnemoscope.results.tables import HISTORY, MEMBERSHIP, PLANE, ROC


@dataclass(frozen=True)
class Circumstances:
    """How an audit was made.

    Attributes:
        given: The subject, with all its examples.
        run: How it was carried out.
        partial: Parts that Ctrl-C left out.
        left_out: Parts that the caller left out.
        seconds: The time it took (s).
    """

    given: Subject
    run: AuditRun
    partial: tuple[str, ...]
    left_out: tuple[str, ...]
    seconds: float

    @property
    def network(self) -> Network | None:
        """The network of a spec that the map is made of, if it is one."""
        return next((m for m in self.given.given.modules if isinstance(m, Network)), None)

    @property
    def record(self) -> TrainingRecord | None:
        """How the network was trained, if it says."""
        return None if self.network is None else self.network.training_record


def result_of(subject: Subject, found: Measurements, made: Circumstances) -> Audit:
    """Makes the audit of what was measured.

    Args:
        subject: The map and the examples that were measured.
        found: The measurements.
        made: How they were made.
    """
    atlas, examined, separated = found.atlas, found.examined, found.membership
    matches, disclosure = Matches.of(subject, atlas), disclose(subject, atlas)
    attractors = attractors_table(
        atlas, matches.nearest_example, matches.distance, ~matches.any_example, found.noise
    )
    certified = torch.stack([found.proved.radius, found.proved.rate])
    recall, curves = found.recalled.table, recall_curves(found.recalled.table)
    examples = examples_table(examined, atlas, attractors, recall, certified, disclosure)
    measured = Measured(subject.X, found.outputs, examined, disclosure, found.noise)
    return Audit(
        examples=with_columns(examples, found.columns),
        attractors=attractors,
        recall=recall,
        curves=curves,
        starts=starts_table(found.ended, matches.any_example, atlas.period, examined),
        basins=basins_table(found.ended),
        spectra=examined.spectra,
        history=_history(made.record),
        plane=pl.DataFrame(schema=PLANE) if found.plane is None else found.plane.table,
        membership=pl.DataFrame(schema=MEMBERSHIP) if separated is None else separated.table,
        roc=pl.DataFrame(schema=ROC) if separated is None else separated.roc,
        summary=Summary(
            **summarize(measured, curves, attractors, made.record, subject.f.unit),
            **_map_facts(subject, found),
            **_circumstances(made),
        ),
        provenance=_provenance(made),
        pictures=_pictures(subject, found, matches),
    )


def _map_facts(subject: Subject, found: Measurements) -> dict[str, Any]:
    """The fields of the summary about the map and the parts that it may lack."""
    f, near = subject.f, subject.tolerances
    return {
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


def _circumstances(made: Circumstances) -> dict[str, Any]:
    modules = made.given.given.modules
    return {
        "name": made.run.name or (type(modules[0]).__name__ if modules else "a map"),
        "partial": made.partial,
        "left_out": made.left_out,
        "seconds": made.seconds,
    }


def _provenance(made: Circumstances) -> dict[str, Any]:
    given, run, network, record = made.given, made.run, made.network, made.record
    f, scale = given.f, given.scale
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
    """What is drawn, in the scale of the data."""
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
    """The bounds of the domain and what the map raised outside; None: it has no bounds."""
    refused = measured.findings.refused or None
    low, high = (None, None) if asked.domain is None else asked.domain.bounds or (None, None)
    if not asked.bounded and refused is None:
        return None
    return Domain(low=low, high=high, refused=refused)


def _history(record: TrainingRecord | None) -> pl.DataFrame:
    rows = [] if record is None else [row.model_dump() for row in record.history]
    return pl.DataFrame(rows, schema=HISTORY)
