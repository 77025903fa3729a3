"""Matrix-free spectra and norms of Jacobians; spans and projections."""

from mnemoscope.linalg.bounded import AccuracyWarning, decisive_spectrum, spectrum
from mnemoscope.linalg.leading import (
    ConvergenceWarning,
    jacobian_eigenvalues,
    jacobian_singular_values,
    operator_norm,
    spectral_radius,
)
from mnemoscope.linalg.rank import EffectiveRank, effective_rank
from mnemoscope.linalg.span import distance_to_span, span_basis
from mnemoscope.linalg.values import LeadingValues, Spectrum

__all__ = [
    "AccuracyWarning",
    "ConvergenceWarning",
    "EffectiveRank",
    "LeadingValues",
    "Spectrum",
    "decisive_spectrum",
    "distance_to_span",
    "effective_rank",
    "jacobian_eigenvalues",
    "jacobian_singular_values",
    "operator_norm",
    "span_basis",
    "spectral_radius",
    "spectrum",
]
