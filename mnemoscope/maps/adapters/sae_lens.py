"""Sparse autoencoders of SAELens: a state is an activation, the map is its reconstruction.

Normalization that the autoencoder does itself is part of the map, and so is what it adds to its
output; the error term, which would make every state a fixed point, is not.
"""

import logging
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.adapters.factory import ObjectAdapter, is_instance
from mnemoscope.nets.modules import copied

SCALED_BEFORE = ("expected_average_only_in", "covariance_whitening")
"""Normalizations that are done to the data, unless they are folded into the weights."""

COUPLED = ("BatchTopKTrainingSAE", "MatryoshkaBatchTopKTrainingSAE")
"""Classes that choose the largest features of the whole batch."""

log = logging.getLogger("mnemoscope")


class SAELens(ObjectAdapter):
    """A live autoencoder, such as `SAE.from_pretrained` and `SAE.load_from_disk` give."""

    # Transcoders too, which are refused when they are adapted.
    classes = ("sae_lens.saes.sae:SAE",)

    def adapt(self, model: Any, request: Request) -> Loaded:
        """Takes a copy on flat activations."""
        if is_instance(model, "sae_lens.saes.transcoder", "Transcoder"):
            raise MnemoscopeError(
                f"{request.target}, a transcoder, from one layer's activations to another's",
                expected="an autoencoder, which gives back what it is given",
                todo="audit an SAE of one layer",
            )
        if is_instance(model, "sae_lens", *COUPLED):
            raise MnemoscopeError(
                f"{request.target}, which chooses the largest features of the whole batch",
                expected="a map that takes each state by itself",
                todo="convert it: model.save_inference_model(folder), then SAE.load_from_disk",
            )
        kind = getattr(model.cfg, "normalize_activations", "none")
        if kind in SCALED_BEFORE:
            log.warning(
                "%s: its activations are normalized before they reach it (%s), so the data must be "
                "normalized too, or that be folded into its weights first "
                "(fold_activation_norm_scaling_factor, fold_activation_whitening)",
                request.target,
                kind,
            )
        # A sequence has no fixed length.
        sequences = is_instance(model, "sae_lens", "TemporalSAE")
        return Loaded(Reconstruction(copied(model)), None if sequences else (int(model.cfg.d_in),))


class Reconstruction(nn.Module):
    """An autoencoder without an error term, in the precision of its weights."""

    def __init__(self, sae: Any) -> None:
        super().__init__()
        self.sae = sae
        sae.use_error_term = False
        if getattr(sae, "hook_z_reshaping_mode", False):
            sae.turn_off_forward_pass_hook_z_reshaping()

    def forward(self, z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Returns the reconstruction from the features."""
        # It rounds what it is given to this dtype, which .double() and .float() leave as it was.
        self.sae.dtype = self.sae.W_dec.dtype if hasattr(self.sae, "W_dec") else z.dtype
        return self.sae(z)
