"""Compares the reconstruction of held-out examples with the projection on the span.

A network that did nothing but learn the span of its examples would be the orthogonal projection
`P` on it, whose error at a held-out state `x` is `||x - P x||^2 / d`. That is the baseline: a state
is *generalized* to if the network's error there is at most that of the projection. But as many
examples as the space has dimensions leave the projection no error, and no network reconstructs to
rounding; so an error of at most 1% of the variance of the held-out states is good enough anywhere.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.quantity import Quantity
from mnemoscope.sweep.measurements.measurement import Measurement, Trained
from mnemoscope.sweep.measurements.span import distance_to_spans, images

FLOOR = 0.01
"""The share of the held-out states' variance that an error may always have: 99% of it is explained.
"""

ROUNDING = 100
"""Roundings of a typical entry by which the root mean square of an error may be off: a network that
is the projection must not differ from it by chance."""


def take(trained: Trained) -> dict[str, list]:
    """Counts the held-out states generalized to, and computes the errors that decide it."""
    held_out = trained.held_out
    if held_out is None or held_out.shape[1] == 0:
        raise MnemoscopeError(
            "generalization without held-out examples",
            expected="examples that are not trained on",
            todo="set `measure.held_out` to how many",
        )
    error = torch.cat(
        [
            (Y - Z).double().square().flatten(2).mean(2)
            for Z, Y in images(trained.replicas, held_out)
        ],
        dim=1,
    )
    projection = _projection_error(held_out, trained.X)
    variance, typical = _scale(held_out)
    slack = ROUNDING * torch.finfo(held_out.dtype).eps * typical
    enough = torch.maximum(projection, FLOOR * variance[:, None]).sqrt() + slack[:, None]
    return {
        "held_out": [held_out.shape[1]] * len(held_out),
        "generalized": (error.sqrt() <= enough).sum(1).tolist(),
        "held_out_error": error.mean(1).tolist(),
        "projection_error": projection.mean(1).tolist(),
        "held_out_variance": variance.tolist(),
    }


def _projection_error(
    held_out: Float[Tensor, "r m *shape"], X: Float[Tensor, "r n *shape"]
) -> Float[Tensor, "r m"]:
    r = len(X)
    if held_out.stride(0) == 0 and X.stride(0) == 0:
        held_out, X = held_out[:1], X[:1]
    return distance_to_spans(held_out, X).square().expand(r, -1)


def _scale(
    held_out: Float[Tensor, "r m *shape"],
) -> tuple[Float[Tensor, " r"], Float[Tensor, " r"]]:
    """Computes the mean squared distance of an entry to its mean, and the RMS of all entries."""
    distinct = (held_out[:1] if held_out.stride(0) == 0 else held_out).flatten(2).double()
    variance = distinct.var(1, correction=0).mean(1)
    typical = distinct.square().mean((1, 2)).sqrt()
    return variance.expand(len(held_out)), typical.expand(len(held_out))


MEASUREMENT = Measurement(
    "generalization",
    (
        Quantity("held_out", "count", "held-out examples", needs_fit=False),
        Quantity(
            "generalized",
            "count",
            "held-out examples that are reconstructed",
            total="held_out",
            needs_fit=False,
        ),
        Quantity(
            "held_out_error", "number", "mean squared error on held-out examples", needs_fit=False
        ),
        Quantity(
            "projection_error",
            "number",
            "mean squared error of the projection on the span, on held-out examples",
            needs_fit=False,
        ),
        Quantity("held_out_variance", "number", "variance of held-out examples", needs_fit=False),
    ),
    take,
)
