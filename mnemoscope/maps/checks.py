"""What a map must be before anything is measured of it.

Finite, without chance, state by state, and with derivatives that are those of its values.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.errors import MnemoscopeError
from mnemoscope.maps.prediction_check import check_prediction
from mnemoscope.maps.self_map import SelfMap

SAME = 1e-4
"""Two evaluations of one state may differ by this share of the output's largest entry: kernels add
up in another order for another batch. Sampling differs by far more."""


AGREE = 0.5
"""A product with the Jacobian may miss the difference quotient by this share of it: kinks and
curvature make them differ, but a derivative that is cut off misses all of it, or a whole branch."""


def check_map(f: SelfMap, Z: Float[Tensor, "n *shape"]) -> None:
    """Evaluates the map at up to two states, together and again alone.

    Args:
        f: The map.
        Z: `(n, *shape)`, states that it is to be measured at.

    Raises:
        MnemoscopeError: an image is not finite, differs from one evaluation to the next, or depends
            on the rest of the batch.
    """
    Z = f.batch(Z)[:2]
    if len(Z) == 0:
        return
    before = torch.random.get_rng_state()
    try:
        images, again = f(Z), f(Z)
        alone = f(Z[:1])
    finally:
        torch.random.set_rng_state(before)
    broken = (~torch.isfinite(images)).flatten(1).any(1)
    if bool(broken.any()):
        raise MnemoscopeError(
            f"a map that makes NaN or infinity of state {int(broken.nonzero()[0, 0])} in its first "
            "step",
            expected="finite outputs",
            todo="mend the weights, or the scale of the data",
        )
    limit = SAME * float(images.abs().max().clamp_min(torch.finfo(f.dtype).tiny))
    differs = float((images - again).abs().max())
    if differs > limit:
        raise MnemoscopeError(
            f"a map that gives another image of one state each time (they differ by {differs:.2g})",
            expected="a map with no chance in it",
            todo="let it give its mean (of a VAE the decoded mode), switch dropout and masking off",
        )
    differs = float((images[:1] - alone).abs().max())
    if f.differentiable:
        _check_derivative(f, Z[:1])
    if differs > limit:
        raise MnemoscopeError(
            f"a map whose image of a state depends on the others in its batch (by {differs:.2g})",
            expected="a map that takes each state by itself",
            todo="replace what is computed over the batch by running statistics",
        )
    check_prediction(f, Z)


def _check_derivative(f: SelfMap, z: Tensor) -> None:
    """Holds a product with the Jacobian against difference quotients of two lengths."""
    eps = torch.finfo(f.dtype).eps
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(z.shape, generator=generator, dtype=torch.float64).to(z)
    v = v / v.square().mean().sqrt()
    try:
        product = f.linearize(z).jvp(v)
    except (RuntimeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise MnemoscopeError(
            f"a map that PyTorch cannot differentiate ({type(error).__name__}: {reason})",
            expected="one with derivatives, or one that is only evaluated",
            todo="audit it as a black box: mn.Wrapped(f, black_box=True), --black-box",
        ) from error
    size = max(1.0, float(z.square().mean().sqrt()))
    for length in (eps ** (1 / 2) * size, eps ** (1 / 3) * size):
        quotient = (f(z + length * v) - f(z - length * v)) / (2 * length)
        if not bool(torch.isfinite(quotient).all()):
            return
        noise = eps / length * float(f(z).abs().max())
        miss = float((product - quotient).square().mean().sqrt())
        if miss <= AGREE * float(quotient.square().mean().sqrt()) + 10 * noise:
            return
    raise MnemoscopeError(
        "a map whose derivatives are not those of its values",
        expected="a map without .detach() or torch.no_grad() inside",
        todo="take these out, or audit it as a black box: mn.Wrapped(f, black_box=True), "
        "--black-box",
    )
