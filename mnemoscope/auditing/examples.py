"""What the map does at each training example: reproduce it, contract there, store it."""

from dataclasses import dataclass
from typing import Unpack

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.auditing.tables import EXAMPLES, NOISE, SPECTRA
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import survey
from mnemoscope.dynamics.contraction import contraction
from mnemoscope.dynamics.orbits import OrbitOptions
from mnemoscope.dynamics.states import rms
from mnemoscope.errors import MnemoscopeError
from mnemoscope.linalg import distance_to_span, jacobian_spectrum, operator_norm
from mnemoscope.maps import SelfMap


@dataclass(frozen=True)
class Examined:
    """Every example, measured.

    Attributes:
        residual: `(n,)`, RMS of `f(x) - x`.
        spectral_radius: `(n,)`, of the Jacobian at the example; of a map without derivatives the
            growth of small differences there.
        spectral_radius_interval: `(n, 2)`, the 95% interval of that growth; None where derivatives
            were taken.
        operator_norm: `(n,)`, of the Jacobian; None where it cannot be multiplied from the left.
        attractor: `(n,)`, where the example's own orbit ends, an index of the atlas; -1: none.
        attractor_distance: `(n,)`, RMS from the example to the nearest state of it; NaN: none.
        stored: `(n,)`, whether that is at most `match_tol`.
        span_distance: `(n,)`, RMS distance of `f(x)` to the span of the examples.
        spectra: Leading eigenvalues, the table `SPECTRA`.
    """

    residual: Float[Tensor, " n"]
    spectral_radius: Float[Tensor, " n"]
    spectral_radius_interval: Float[Tensor, "n 2"] | None
    operator_norm: Float[Tensor, " n"] | None
    attractor: Int[Tensor, " n"]
    attractor_distance: Float[Tensor, " n"]
    stored: Bool[Tensor, " n"]
    span_distance: Float[Tensor, " n"]
    spectra: pl.DataFrame

    def reached(self, attractors: Int[Tensor, " r"]) -> int:
        """How many examples are stored at one of these attractors."""
        return int((self.stored & torch.isin(self.attractor, attractors)).sum())


def examine(
    f: SelfMap,
    X: Float[Tensor, "n *shape"],
    atlas: Atlas,
    *,
    match_tol: float,
    spectrum_size: int,
    max_products: int,
    **options: Unpack[OrbitOptions],
) -> tuple[Atlas, Examined]:
    """Measures every example; attractors where their orbits end are added to the atlas.

    Raises:
        MnemoscopeError: the map makes NaN or infinity of an example.
    """
    images = torch.cat([f(part) for part in X.split(1024)])
    broken = (~torch.isfinite(images)).flatten(1).any(dim=1)
    if bool(broken.any()):
        raise MnemoscopeError(
            f"a map that makes NaN or infinity of example {int(broken.nonzero()[0, 0])}",
            expected="finite outputs at every example",
            todo="mend the network's weights, or leave out that example",
        )
    atlas, labels, _ = survey(f, X, atlas, **options)
    distance = distance_to_attractor(X, labels, atlas)
    radius, interval, spectra = _spectra(f, X, min(spectrum_size, f.size), max_products)
    norm = None
    if f.reversible:
        norm, _ = operator_norm(f, X, return_info=True, max_products=max_products)
    return atlas, Examined(
        residual=rms(images - X),
        spectral_radius=radius,
        spectral_radius_interval=interval,
        operator_norm=norm,
        attractor=labels,
        attractor_distance=distance,
        stored=(labels >= 0) & (distance <= match_tol),
        span_distance=distance_to_span(images, X),
        spectra=spectra,
    )


def _spectra(
    f: SelfMap, X: Tensor, k: int, max_products: int
) -> tuple[Tensor, Tensor | None, pl.DataFrame]:
    """The spectral radius at each example, its interval if it was measured, the table `SPECTRA`."""
    n = len(X)
    if not f.differentiable:
        found = contraction(f, X)
        interval = torch.stack([found.low, found.high], dim=1)
        rows = {
            "example": list(range(n)),
            "rank": [0] * n,
            "modulus": found.rate.double().tolist(),
            "residual": ((found.high - found.low) / 2).double().tolist(),
        }
        table = pl.DataFrame(rows, schema_overrides=SPECTRA).with_columns(
            real=pl.lit(None, pl.Float64), imag=pl.lit(None, pl.Float64)
        )
        return found.rate, interval, table.select(list(SPECTRA))
    values, info = jacobian_spectrum(f, X, k, return_info=True, max_products=max_products)
    table = pl.DataFrame(
        {
            "example": torch.arange(n).repeat_interleave(k).numpy(),
            "rank": torch.arange(k).repeat(n).numpy(),
            "real": values.real.flatten().double().cpu().numpy(),
            "imag": values.imag.flatten().double().cpu().numpy(),
            "modulus": values.abs().flatten().double().cpu().numpy(),
            "residual": info.residual.flatten().double().cpu().numpy(),
        },
        schema=SPECTRA,
    )
    return values.abs()[:, 0], None, table


def distance_to_attractor(
    X: Float[Tensor, "n *shape"], labels: Int[Tensor, " n"], atlas: Atlas
) -> Float[Tensor, " n"]:
    """RMS from each state to the nearest state of its attractor; NaN where it has none."""
    distance = X.new_full((len(X),), torch.nan)
    for row in (labels >= 0).nonzero()[:, 0].tolist():
        own = atlas.states[atlas.owner == labels[row]]
        distance[row] = rms(own - X[row]).min()
    return distance


def examples_table(
    examined: Examined,
    atlas: Atlas,
    attractors: pl.DataFrame,
    recall: pl.DataFrame,
    certified: Float[Tensor, "2 n"],
) -> pl.DataFrame:
    """A row for each example: `EXAMPLES`; what does not apply to one that is not stored is null.

    Args:
        examined: What was measured at the examples.
        atlas: The attractors.
        attractors: Their table.
        recall: The table of recall.
        certified: Radius and rate that are proved; NaN where nothing is.
    """
    n = len(examined.residual)
    residual = examined.residual.double()
    labels, stored = examined.attractor.tolist(), examined.stored.tolist()
    kind, strength = NOISE
    at_noise = recall.filter((pl.col("corruption") == kind) & (pl.col("strength") == strength))
    fraction = dict(zip(attractors["id"], attractors["basin_fraction"], strict=True))
    radius = atlas.spectral_radius.double().tolist()
    distance = examined.attractor_distance.double().tolist()
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
    }
    for column, name in (("recall_rate", "rate"), ("recall_low", "low"), ("recall_high", "high")):
        columns[column] = [None] * n if at_noise.is_empty() else at_noise[name].to_list()
    table = pl.DataFrame(columns, schema_overrides=EXAMPLES).select(list(EXAMPLES))
    return table.with_columns(pl.col("certified_radius", "certified_rate").fill_nan(None))
