"""scVI: from a cell's counts to the rates that it decodes, with the library size fixed.

With the latent mean `E(x)`, the decoder's shares `D` of each gene, which sum to 1, and one library
size `l` for all cells,

    f(x) = l D(E(x))

Counts are not negative, and neither is what the model takes: the domain is `x >= 0`.
"""

import logging
import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.adapters.factory import ObjectAdapter, is_instance
from mnemoscope.nets.modules import copied

log = logging.getLogger("mnemoscope")


class ScVI(ObjectAdapter):
    """A live `scvi.model.SCVI` without covariates."""

    # Another model than SCVI is refused when it is adapted.
    classes = ("scvi.model.base:BaseModelClass",)

    def adapt(self, model: Any, request: Request) -> Loaded:
        """Takes the rates at the median library size of the model's data, of its first batch."""
        if not is_instance(model, "scvi.model", "SCVI"):
            raise MnemoscopeError(
                f"{request.target}, whose reconstruction is not known here",
                expected="a model of the class SCVI",
                todo="write its rates as a module of your own: package.module:factory",
            )
        module = model.module
        statistics = model.summary_stats
        covariates = [
            name
            for name in ("n_extra_continuous_covs", "n_extra_categorical_covs")
            if statistics.get(name, 0)
        ]
        if covariates or module.batch_representation != "one-hot":
            raise MnemoscopeError(
                f"{request.target}, a model with "
                + (" and ".join(covariates) if covariates else "embedded batches"),
                expected="a model of counts and one-hot batches alone",
                todo="fix the rest in a module of your own: package.module:factory",
            )
        library = _library(model)
        log.info(
            "%s: the library size is fixed at %g, the median of its data", request.target, library
        )
        if module.n_batch > 1:
            log.warning(
                "%s: of its %d batches the first is decoded", request.target, module.n_batch
            )
        return Loaded(Rates(copied(module), library), (int(statistics.n_vars),), domain=(0, None))


class Rates(nn.Module):
    """The rates that a cell's counts are decoded to."""

    def __init__(self, module: Any, library: float, batch: int = 0) -> None:
        super().__init__()
        self.module, self.library, self.batch = module, math.log(library), batch

    def forward(self, z: Float[Tensor, "n genes"]) -> Float[Tensor, "n genes"]:
        """Returns `l D(E(x))`, with the latent mean and without any draw."""
        own = self.module
        batch = torch.full((len(z), 1), self.batch, device=z.device)
        encoder = own.z_encoder
        hidden = encoder.encoder(torch.log1p(z) if own.log_variational else z, batch)
        latent = encoder.z_transformation(encoder.mean_encoder(hidden))
        library = z.new_full((len(z), 1), self.library)
        return own.decoder(own.dispersion, latent, library, batch)[2]


def _library(model: Any) -> float:
    """Returns the median over the cells of the sum of their counts."""
    counts = model.adata_manager.get_from_registry("X")
    return float(np.median(np.asarray(counts.sum(axis=1))))
