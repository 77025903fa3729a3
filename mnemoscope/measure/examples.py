"""What the map does at each training example: reproduce it, contract there, store it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
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


@dataclass(frozen=True)
class Linearized:
    """The derivative at each example.

    Attributes:
        spectral_radius: `(n,)`, of the Jacobian at the example; of a map without derivatives the
            growth of small differences there.
        spectral_radius_interval: `(n, 2)`, the 95% interval of that growth; None where derivatives
            were taken.
        upper: `(n,)`, bound on the spectral radius; without derivatives, the upper end of that
            interval.
        error_bound: `(n,)`, how far the spectral radius is from the true one at most; None without
            derivatives.
        contractive: `(n,)`, `yes` where `upper` is below 1, `no` where the spectral radius is above
            1 by more than its error, else `undecided`.
        operator_norm: `(n,)`, of the Jacobian; None where it cannot be multiplied from the left.
        spectra: Leading eigenvalues, the table `SPECTRA`.
    """

    spectral_radius: Float[Tensor, " n"]
    spectral_radius_interval: Float[Tensor, "n 2"] | None
    upper: Float[Tensor, " n"]
    error_bound: Float[Tensor, " n"] | None
    contractive: tuple[str, ...]
    operator_norm: Float[Tensor, " n"] | None
    spectra: pl.DataFrame

    def at(self, rows: Int[Tensor, " r"]) -> "Linearized":
        """The derivative at some of the examples."""
        norm, interval, error = self.operator_norm, self.spectral_radius_interval, self.error_bound
        return Linearized(
            spectral_radius=self.spectral_radius[rows],
            spectral_radius_interval=None if interval is None else interval[rows],
            upper=self.upper[rows],
            error_bound=None if error is None else error[rows],
            contractive=tuple(self.contractive[row] for row in rows.tolist()),
            operator_norm=None if norm is None else norm[rows],
            spectra=self.spectra.filter(pl.col("example").is_in(rows.tolist())),
        )


@dataclass(frozen=True)
class Examined(Linearized):
    """Every example, measured.

    Attributes:
        residual: `(n,)`, RMS of `f(x) - x`, in units.
        attractor: `(n,)`, where the example's own orbit ends, an index of the atlas; -1: none.
        attractor_distance: `(n,)`, RMS from the example to the nearest state of it, in units; NaN:
            none.
        radii: How near an attractor must lie to each example to store it.
        stored: `(n,)`, whether that attractor stores the example (`mnemoscope.dynamics.stored`).
        span_distance: `(n,)`, RMS distance of `f(x)` to the span of the examples, in units.
    """

    residual: Float[Tensor, " n"]
    attractor: Int[Tensor, " n"]
    attractor_distance: Float[Tensor, " n"]
    radii: MatchRadii
    stored: Bool[Tensor, " n"]
    span_distance: Float[Tensor, " n"]

    def reached(self, attractors: Int[Tensor, " r"]) -> int:
        """The number of distinct examples that are stored at one of these attractors."""
        return self.radii.count(self.stored & torch.isin(self.attractor, attractors))


@dataclass(frozen=True)
class Looked:
    """What is measured at an example by itself, whatever the others are.

    Attributes:
        images: `(n, *shape)`, `f(x)`.
        attractor: `(n,)`, where the example's own orbit ends, an index of the atlas; -1: none.
        linear: The derivative there.
    """

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
    """Measures at each of some examples; attractors where their orbits end go into the atlas.

    Args:
        subject: The map.
        X: `(n, *shape)`, some of the examples.
        atlas: The attractors known so far.
        known: The derivative at these examples, where it was computed before.
        first: The index of the first of these among all examples, for messages.

    Raises:
        MnemoscopeError: the map makes NaN or infinity of an example.
    """
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
    """Decides which examples of the subject are stored.

    Args:
        subject: The map and its examples.
        atlas: The attractors.
        looked: What was measured at the examples, in parts.
    """
    f, X, near = subject.f, subject.X, subject.tolerances
    images = torch.cat([part.images for part in looked])
    labels = torch.cat([part.attractor for part in looked])
    distance = distance_to_attractor(X, labels, atlas)
    radii = match_radii(X, unit=f.unit, match_tol=near.match_tol, tol=near.tol, among=subject.among)
    return Examined(
        residual=rms(images - X) / f.unit,
        attractor=labels,
        attractor_distance=distance / f.unit,
        radii=radii,
        stored=radii.stored(labels, distance),
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
    """The derivatives at examples that were measured in parts."""
    if len(parts) == 1:
        return parts[0]

    def together(name: str) -> Tensor | None:
        found = [getattr(part, name) for part in parts]
        return None if any(each is None for each in found) else torch.cat(found)

    first, tables = 0, []
    for part in parts:
        tables.append(part.spectra.with_columns(pl.col("example") + first))
        first += len(part.spectral_radius)
    return Linearized(
        spectral_radius=torch.cat([part.spectral_radius for part in parts]),
        spectral_radius_interval=together("spectral_radius_interval"),
        upper=torch.cat([part.upper for part in parts]),
        error_bound=together("error_bound"),
        contractive=tuple(answer for part in parts for answer in part.contractive),
        operator_norm=together("operator_norm"),
        spectra=pl.concat(tables),
    )


def _linearized(f: SelfMap, X: Tensor, k: int, max_products: int) -> Linearized:
    n = len(X)
    if f.by_values:
        norm = None
        if f.differentiable and f.size <= FORMED:
            norm = jacobian_singular_values(f, X, 1).radius
        return _from_values(contraction(f, X), norm)
    norm = None
    if f.reversible:
        norm = jacobian_singular_values(f, X, 1, max_products=max_products).radius
    found = decisive_spectrum(f, X, k, norm=norm, max_products=max_products)
    table = pl.DataFrame(
        {
            "example": torch.arange(n).repeat_interleave(k).numpy(),
            "rank": torch.arange(k).repeat(n).numpy(),
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
    """Of a map that is measured by its values: the growth of small differences."""
    n = len(found.rate)
    rows = {
        "example": list(range(n)),
        "rank": [0] * n,
        "modulus": _finite(found.rate),
        "residual": ((found.high - found.low) / 2).double().tolist(),
    }
    table = pl.DataFrame(rows, schema_overrides=SPECTRA).with_columns(
        real=pl.lit(None, pl.Float64), imag=pl.lit(None, pl.Float64)
    )
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
        spectra=table.select(list(SPECTRA)),
    )


@dataclass(frozen=True)
class Disclosure:
    """The attractor nearest to each example, whichever orbit found it.

    Attributes:
        attractor: `(n,)`, its index in the atlas; -1 where there is none.
        distance: `(n,)`, RMS distance to its nearest state, in units; infinite where there is none.
        disclosed: `(n,)`, whether that is at most `match_tol`.
    """

    attractor: Int[Tensor, " n"]
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
    """A row for each example: `EXAMPLES`; what does not apply to one that is not stored is null.

    Args:
        examined: What was measured at the examples.
        atlas: The attractors.
        attractors: Their table.
        recall: The table of recall.
        certified: Radius and rate that are proved; NaN where nothing is.
        disclosure: Which attractor lies nearest to each example, and which are disclosed.
    """
    n = len(examined.residual)
    residual = examined.residual.double()
    labels, stored = examined.attractor.tolist(), examined.stored.tolist()
    kind, strength = NOISE
    at_noise = recall.filter((pl.col("corruption") == kind) & (pl.col("strength") == strength))
    fraction = dict(zip(attractors["id"], attractors["basin_fraction"], strict=True))
    radius = atlas.spectral_radius.double().tolist()
    distance = examined.attractor_distance.double().tolist()
    error = examined.error_bound
    interval = np.full((n, 2), None)
    if examined.spectral_radius_interval is not None:
        interval = examined.spectral_radius_interval.double().cpu().numpy()
    columns = {
        "index": list(range(n)),
        "residual": residual.tolist(),
        "loss": residual.square().tolist(),
        "spectral_radius": examined.spectral_radius.double().tolist(),
        "spectral_radius_low": interval[:, 0].tolist(),
        "spectral_radius_high": interval[:, 1].tolist(),
        "operator_norm": [None] * n
        if examined.operator_norm is None
        else examined.operator_norm.double().tolist(),
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
        "error_bound": [None] * n if error is None else _finite(error),
        "contractive": examined.contractive,
        "disclosed": disclosure.disclosed.tolist(),
        "indistinguishable": examined.radii.indistinguishable.tolist(),
        "nearest_attractor": disclosure.attractor.tolist(),
        "nearest_attractor_distance": _finite(disclosure.distance),
    }
    for column, name in (("recall_rate", "rate"), ("recall_low", "low"), ("recall_high", "high")):
        columns[column] = [None] * n if at_noise.is_empty() else at_noise[name].to_list()
    table = pl.DataFrame(columns, schema_overrides=EXAMPLES).select(list(EXAMPLES))
    missing = ("certified_radius", "certified_rate", *RATES)
    return table.with_columns(pl.col(*missing).fill_nan(None))


def _finite(values: Float[Tensor, " n"]) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in values.double().tolist()]
