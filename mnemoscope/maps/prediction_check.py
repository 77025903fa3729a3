"""Whether a denoiser that is not said to predict anything estimates the state.

An estimate of the state from a state without noise is near it, and it suppresses noise: what is
added in a random direction comes out smaller, `<v, f(z + v) - f(z)> < <v, v>`. An estimate of the
noise is near 0 where the noise is weak, as there is little to find; and it passes noise on,
amplified by 1 / s for noise of standard deviation s < 1, so where the noise is strong and its
estimate is near z, it shows by that. `v` is near 0 or has the opposite sign.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.self_map import SelfMap, Stage
from mnemoscope.maps.wrapped import Wrapped

SUPPRESSED = 0.9
"""The share of noise above which it is not suppressed: an estimate of the noise passes on 1 / s
times it, an estimate of the state as much as there are directions in the data, of all."""

LENGTH = 0.1
"""The noise that is added, in standard deviations of the state's entries."""

DRAWS, ENTRIES = 8, 4096
"""Directions for each state, fewer where a state has more entries: each averages over them."""


def check_prediction(f: SelfMap, Z: Float[Tensor, "n *shape"], *, clean: bool = False) -> None:
    """Asks what a denoiser predicts where it is not said and does not seem to be the state."""
    place = next((i for i, stage in enumerate(f.stages) if _is_unspecified(stage)), None)
    if place is None or len(Z) == 0:
        return
    stage = f.stages[place]
    Z = f.batch(Z)[sorted({0, len(Z) // 2, len(Z) - 1})]
    with f.evaluating(), torch.no_grad():
        for earlier in f.stages[:place]:
            Z = earlier(Z.clone())
        made = stage(Z.clone())
        passed = _passed(stage, Z, made)
    low, width = _range(stage)
    near_0 = clean and _nearer_to_0(low + width * Z, low + width * made)
    # NaN passes: what is not finite is refused for that.
    if near_0 or passed >= SUPPRESSED:
        found = (
            "gives something nearer to 0 than to examples"
            if near_0
            else f"passes on {passed:.2g} of added noise"
        )
        raise MnemoscopeError(
            f"a denoiser that {found}, so it may predict the noise, not the state",
            expected="what it predicts: state, noise or v",
            todo='pass predicts="noise", alpha_bar=...; --predicts noise --alpha-bar 0.9 '
            '(predicts="state" if it is the state)',
        )


def _is_unspecified(stage: object) -> bool:
    """Returns whether a stage is, or holds, a denoiser without a stated prediction."""
    modules = stage.modules() if isinstance(stage, nn.Module) else ()
    return any(isinstance(module, Wrapped) and module.unspecified for module in modules)


def _range(stage: object) -> tuple[float, float]:
    """Returns the innermost model's values where the stage's are 0 and 1 apart."""
    low, width = 0.0, 1.0
    while isinstance(stage, Wrapped):
        low, width = stage.low + stage.width * low, stage.width * width
        stage = stage.model
    return low, width


def _passed(stage: Stage, Z: Tensor, made: Tensor) -> float:
    """Returns the share of noise that comes out again, over the states and some directions."""
    generator = torch.Generator().manual_seed(0)
    along = across = 0.0
    spread = Z.flatten(1).std(1, correction=0)
    spread = torch.where(spread > 0, spread, Z.flatten(1).square().mean(1).sqrt())
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    for _ in range(max(1, min(DRAWS, ENTRIES // Z[0].numel()))):
        v = torch.randn(Z.shape, generator=generator, dtype=torch.float64).to(Z)
        v = LENGTH * spread.view(-1, *[1] * (Z.ndim - 1)) * v
        # Each state counts alike, whatever its scale.
        weight = spread.double().square()
        moved = (stage(Z + v) - made).double()
        along += float(((moved * v).flatten(1).sum(1) / weight).sum())
        across += float((v.double().square().flatten(1).sum(1) / weight).sum())
    return along / across


def _nearer_to_0(given: Tensor, made: Tensor) -> bool:
    """Returns whether most estimates are nearer to 0 than to the states, in the model's values."""
    to_0 = made.flatten(1).double().square().sum(1)
    to_state = (made - given).flatten(1).double().square().sum(1)
    return bool((to_0 < to_state).double().mean() > 0.5)
