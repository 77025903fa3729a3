"""Matrix-free spectra and norms of Jacobians; spans and projections."""

from mnemoscope.linalg.bounded import AccuracyWarning, decisive_spectrum, spectrum
from mnemoscope.linalg.bounds import Spectrum
from mnemoscope.linalg.leading import (
    ConvergenceWarning,
    SpectrumInfo,
    jacobian_singular_values,
    jacobian_spectrum,
    operator_norm,
    spectral_radius,
)
from mnemoscope.linalg.rank import EffectiveRank, effective_rank
from mnemoscope.linalg.span import distance_to_span, span_basis

__all__ = [
    "AccuracyWarning",
    "ConvergenceWarning",
    "EffectiveRank",
    "Spectrum",
    "SpectrumInfo",
    "decisive_spectrum",
    "distance_to_span",
    "effective_rank",
    "jacobian_singular_values",
    "jacobian_spectrum",
    "operator_norm",
    "span_basis",
    "spectral_radius",
    "spectrum",
]
