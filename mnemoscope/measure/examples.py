"""What the map does at each training example: reproduce it, contract there, store it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import survey
from mnemoscope.dynamics.contraction import Contraction, contraction
from mnemoscope.dynamics.states import nearest, rms
from mnemoscope.dynamics.stored import (
    MatchRadii,
    confirmed,
    disclosed,
    distance_to_attractor,
    match_radii,
)
from mnemoscope.linalg import decisive_spectrum, distance_to_span, jacobian_singular_values
from mnemoscope.maps import SelfMap
from mnemoscope.measure.subject import Subject
from mnemoscope.results.tables import EXAMPLES, NOISE, SPECTRA

RATES = ("spectral_radius", "fixed_point_spectral_radius")
"""Columns that are empty where growth is not resolved."""

FORMED = 128
"""States of up to this many entries: the operator norm of a map whose derivatives are not used is
found by forming its Jacobian from differences of values."""


TENSORS = (
    "spectral_radius",
    "spectral_radius_interval",
    "upper",
    "error_bound",
    "operator_norm",
)
"""What is known of the derivative at each example in numbers."""


@dataclass(frozen=True)
class Linearized:
    """The derivative at each example; of a map without one the growth of small differences."""

    spectral_radius: Float[Tensor, " n"]
    # The 95% interval of that growth; None where derivatives were taken.
    spectral_radius_interval: Float[Tensor, "n 2"] | None
    # A bound on the spectral radius; without derivatives, the upper end of that interval.
    upper: Float[Tensor, " n"]
    # None without derivatives.
    error_bound: Float[Tensor, " n"] | None
    # `no` where the spectral radius is above 1 by more than its error, `yes`, or `undecided`.
    contractive: tuple[str, ...]
    # None where the Jacobian cannot be multiplied from the left.
    operator_norm: Float[Tensor, " n"] | None
    spectra: pl.DataFrame

    def at(self, rows: Int[Tensor, " r"]) -> "Linearized":
        """Returns the derivative at some of the examples."""
        tensors: dict[str, Any] = {}
        for name in TENSORS:
            value = getattr(self, name)
            tensors[name] = None if value is None else value[rows]
        return Linearized(
            **tensors,
            contractive=tuple(self.contractive[row] for row in rows.tolist()),
            spectra=self.spectra.filter(pl.col("example").is_in(rows.tolist())),
        )


@dataclass(frozen=True)
class Examined(Linearized):
    """Every example, measured; residuals and distances are RMS, in units."""

    residual: Float[Tensor, " n"]
    # Where the example's own orbit ends, an index of the atlas; -1: at no attractor.
    attractor: Int[Tensor, " n"]
    # To the nearest state of that attractor; NaN: none.
    attractor_distance: Float[Tensor, " n"]
    radii: MatchRadii
    stored: Bool[Tensor, " n"]
    # Of the image to the span of the examples.
    span_distance: Float[Tensor, " n"]

    def reached(self, attractors: Int[Tensor, " r"]) -> int:
        """Counts the distinct examples that are stored at one of these attractors."""
        return self.radii.count(self.stored & torch.isin(self.attractor, attractors))


@dataclass(frozen=True)
class Looked:
    """What is measured at an example by itself, whatever the others are."""

    images: Float[Tensor, "n *shape"]
    attractor: Int[Tensor, " n"]
    linear: Linearized


def look(
    subject: Subject,
    X: Float[Tensor, "n *shape"],
    atlas: Atlas,
    *,
    known: Linearized | None = None,
    first: int = 0,
) -> tuple[Atlas, Looked]:
    """Measures at each of some examples; attractors where their orbits end go into the atlas."""
    f = subject.f
    images = f.at_each(X, "example")
    broken = (~torch.isfinite(images)).flatten(1).any(dim=1)
    if bool(broken.any()):
        raise MnemoscopeError(
            f"a map that makes NaN or infinity of example {first + int(broken.nonzero()[0, 0])}",
            expected="finite outputs at every example",
            todo="repair the network's weights, or leave out that example",
        )
    atlas, labels, _ = survey(f, X, atlas, **subject.orbits)
    size = min(subject.options.spectrum_size, f.size)
    linear = known or _linearized(f, X, size, subject.tolerances.max_products)
    return atlas, Looked(images, labels, linear)


def assess(subject: Subject, atlas: Atlas, looked: Sequence[Looked]) -> Examined:
    """Decides which examples of the subject are stored."""
    f, X, near = subject.f, subject.X, subject.tolerances
    images = torch.cat([part.images for part in looked])
    labels = torch.cat([part.attractor for part in looked])
    distance = distance_to_attractor(X, labels, atlas)
    radii = match_radii(X, unit=f.unit, match_tol=near.match_tol, tol=near.tol, among=subject.among)
    stored = radii.stored(labels, distance)
    return Examined(
        residual=rms(images - X) / f.unit,
        attractor=labels,
        attractor_distance=distance / f.unit,
        radii=radii,
        stored=confirmed(f, X, stored, atlas, labels, **subject.orbits),
        span_distance=distance_to_span(images, X) / f.unit,
        **vars(_joined([part.linear for part in looked])),
    )


def examine(
    subject: Subject, atlas: Atlas, *, known: Linearized | None = None
) -> tuple[Atlas, Examined]:
    """Measures every example at once: `look`, then `assess`."""
    atlas, looked = look(subject, subject.X, atlas, known=known)
    return atlas, assess(subject, atlas, [looked])


def _joined(parts: Sequence[Linearized]) -> Linearized:
    """Joins the derivatives at examples that were measured in parts."""
    tensors: dict[str, Any] = {}
    for name in TENSORS:
        found = [getattr(part, name) for part in parts]
        tensors[name] = None if any(each is None for each in found) else torch.cat(found)
    begins = accumulate((len(part.contractive) for part in parts[:-1]), initial=0)
    tables = [
        part.spectra.with_columns(pl.col("example") + begin)
        for part, begin in zip(parts, begins, strict=True)
    ]
    contractive = tuple(answer for part in parts for answer in part.contractive)
    return Linearized(**tensors, contractive=contractive, spectra=pl.concat(tables))


def _linearized(f: SelfMap, X: Tensor, k: int, max_products: int) -> Linearized:
    norm = None
    if f.by_values:
        if f.differentiable and f.size <= FORMED:
            norm = jacobian_singular_values(f, X, 1).radius
        return _from_values(contraction(f, X), norm)
    if f.reversible:
        norm = jacobian_singular_values(f, X, 1, max_products=max_products).radius
    found = decisive_spectrum(f, X, k, norm=norm, max_products=max_products)
    table = pl.DataFrame(
        {
            "example": torch.arange(len(X)).repeat_interleave(k).numpy(),
            "rank": torch.arange(k).repeat(len(X)).numpy(),
            "real": found.values.real.flatten().cpu().numpy(),
            "imag": found.values.imag.flatten().cpu().numpy(),
            "modulus": found.values.abs().flatten().cpu().numpy(),
            "residual": found.residual.flatten().cpu().numpy(),
        },
        schema=SPECTRA,
    )
    return Linearized(
        spectral_radius=found.radius,
        spectral_radius_interval=None,
        upper=found.upper,
        error_bound=found.error_bound[:, 0],
        contractive=tuple(found.decided),
        operator_norm=norm,
        spectra=table,
    )


def _from_values(found: Contraction, norm: Tensor | None) -> Linearized:
    """Returns the growth of small differences, of a map that is measured by its values."""
    rows = {
        "example": range(len(found.rate)),
        "rank": 0,
        "real": None,
        "imag": None,
        "modulus": _finite(found.rate),
        "residual": ((found.high - found.low) / 2).double().tolist(),
    }
    ends = zip(found.low.tolist(), found.high.tolist(), strict=True)
    return Linearized(
        spectral_radius=found.rate,
        spectral_radius_interval=torch.stack([found.low, found.high], dim=1),
        upper=found.high,
        error_bound=None,
        contractive=tuple(
            "yes" if high < 1 else "no" if low > 1 else "undecided" for low, high in ends
        ),
        operator_norm=norm,
        spectra=pl.DataFrame(rows, schema=SPECTRA),
    )


@dataclass(frozen=True)
class Disclosure:
    """The attractor nearest to each example, whichever orbit found it."""

    # An index of the atlas; -1: there is none.
    attractor: Int[Tensor, " n"]
    # RMS to its nearest state, in units; infinite where there is none.
    distance: Float[Tensor, " n"]
    disclosed: Bool[Tensor, " n"]


def disclose(subject: Subject, atlas: Atlas) -> Disclosure:
    """Finds the attractor nearest to each example, and which examples are disclosed."""
    f, X, match_tol = subject.f, subject.X, subject.tolerances.match_tol
    index, distance = nearest(X, atlas.states)
    return Disclosure(
        attractor=atlas.owner[index] if len(atlas) else index,
        distance=distance / f.unit,
        disclosed=disclosed(X, atlas.states, unit=f.unit, match_tol=match_tol),
    )


def examples_table(
    examined: Examined,
    atlas: Atlas,
    attractors: pl.DataFrame,
    recall: pl.DataFrame,
    certified: Float[Tensor, "2 n"],
    disclosure: Disclosure,
) -> pl.DataFrame:
    """Makes the table `EXAMPLES`: a row for each example; what does not apply to it is null."""
    residual = examined.residual.double()
    labels, stored = examined.attractor.tolist(), examined.stored.tolist()
    kind, strength = NOISE
    at_noise = recall.filter((pl.col("corruption") == kind) & (pl.col("strength") == strength))
    fraction = dict(zip(attractors["id"], attractors["basin_fraction"], strict=True))
    radius = atlas.spectral_radius.double().tolist()
    distance = examined.attractor_distance.double().tolist()
    norm, error = examined.operator_norm, examined.error_bound
    interval = examined.spectral_radius_interval
    low, high = (None, None) if interval is None else interval.double().T.tolist()
    columns = {
        "index": range(len(residual)),
        "residual": residual.tolist(),
        "loss": residual.square().tolist(),
        "spectral_radius": examined.spectral_radius.double().tolist(),
        "spectral_radius_low": low,
        "spectral_radius_high": high,
        "operator_norm": None if norm is None else norm.double().tolist(),
        "fixed_point_distance": [
            d if label >= 0 else None for d, label in zip(distance, labels, strict=True)
        ],
        "fixed_point_spectral_radius": [radius[label] if label >= 0 else None for label in labels],
        "stored": stored,
        "basin_fraction": [
            fraction[label] if own else None for label, own in zip(labels, stored, strict=True)
        ],
        "span_distance": examined.span_distance.double().tolist(),
        "attractor": labels,
        "certified_radius": certified[0].tolist(),
        "certified_rate": certified[1].tolist(),
        "upper": _finite(examined.upper),
        "error_bound": None if error is None else _finite(error),
        "contractive": examined.contractive,
        "disclosed": disclosure.disclosed.tolist(),
        "indistinguishable": examined.radii.indistinguishable.tolist(),
        "nearest_attractor": disclosure.attractor.tolist(),
        "nearest_attractor_distance": _finite(disclosure.distance),
    }
    for name in ("rate", "low", "high"):
        columns[f"recall_{name}"] = None if at_noise.is_empty() else at_noise[name].to_list()
    table = pl.DataFrame(columns, schema_overrides=EXAMPLES).select(list(EXAMPLES))
    missing = ("certified_radius", "certified_rate", *RATES)
    return table.with_columns(pl.col(*missing).fill_nan(None))


def _finite(values: Float[Tensor, " n"]) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in values.double().tolist()]
