"""Predictions of theory from data and first weights alone, and proofs about networks."""

from mnemoscope.theory.certificates import Certificate, certify, certify_all
from mnemoscope.theory.dual_activations import dual_activation, second_moment
from mnemoscope.theory.nonlinear import INVERTIBLE, inverse_activation, nonlinear_solution
from mnemoscope.theory.ntk import NTK
from mnemoscope.theory.receptive_field import (
    heuristic_memorizing_depth,
    minimum_memorizing_depth,
    receptive_field_mask,
)
from mnemoscope.theory.span import gradient_path, span_projection
from mnemoscope.theory.two_layers import TwoLayerEnd, two_layer_eigenvalue, two_layer_end

__all__ = [
    "INVERTIBLE",
    "NTK",
    "Certificate",
    "TwoLayerEnd",
    "certify",
    "certify_all",
    "dual_activation",
    "gradient_path",
    "heuristic_memorizing_depth",
    "inverse_activation",
    "minimum_memorizing_depth",
    "nonlinear_solution",
    "receptive_field_mask",
    "second_moment",
    "span_projection",
    "two_layer_eigenvalue",
    "two_layer_end",
]
