"""What a denoiser predicts, and the estimate of the state that follows from it.

A denoiser is trained on `y = a x + s e`, a state `x` with normal noise `e`. From `y` it predicts
the state `x`, the noise `e`, or `v = a e - s x`. The state's estimate is

    state:  x = what it gives
    noise:  x = (y - s e) / a
    v:      x = a y - s v              (only where a^2 + s^2 = 1)

and the self-map is this estimate from `y = a z`, the state `z` without noise. Diffusion models have
`a^2 = abar`, `s^2 = 1 - abar` at each level (Ho, Jain, Abbeel 2020, eq. 15; Salimans and Ho 2022,
section 3); where the noise is only added, `a = 1` and `s = sigma` (Song and Ermon 2019).
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from mnemoscope.base.check import one_of, real_number
from mnemoscope.base.errors import MnemoscopeError

Predicts = Literal["state", "noise", "v"]


@dataclass(frozen=True)
class Prediction:
    """What a model predicts at its noise level.

    Attributes:
        predicts: `state`, `noise` or `v`.
        signal: `a`, the share of the state in what the model takes.
        noise: `s`, the noise's standard deviation in it.
    """

    predicts: str
    signal: float = 1.0
    noise: float = 0.0

    def given(self, state: Tensor) -> Tensor:
        """Returns what the model takes: the state without noise."""
        return state if self.signal == 1 else self.signal * state

    def state(self, given: Tensor, made: Tensor) -> Tensor:
        """Returns the estimate of the state."""
        if self.predicts == "state":
            return made
        if self.predicts == "v":
            return self.signal * given - self.noise * made
        return (given - self.noise * made) / self.signal


def prediction(
    predicts: str | None,
    *,
    noise_level: float | None,
    alpha_bar: float | Tensor | None,
    sigma: float | None,
) -> Prediction | None:
    """Returns what a model predicts, as far as the caller says; None if nothing is said."""
    if predicts is None:
        if alpha_bar is not None or sigma is not None:
            raise MnemoscopeError(
                "a schedule (alpha_bar or sigma) of a model that is not said to predict anything",
                expected="what the model predicts: state, noise or v",
                todo='pass predicts="noise", --predicts noise',
            )
        return None
    one_of("predicts", predicts, get_args(Predicts))
    if alpha_bar is not None and sigma is not None:
        raise MnemoscopeError(
            "alpha_bar and sigma",
            expected="one of them: a schedule's share of the state, or the noise that is added",
            todo="leave one out",
        )
    if sigma is not None:
        if predicts == "v":
            raise MnemoscopeError(
                'predicts="v" with sigma',
                expected="alpha_bar: v mixes the state and the noise by their shares",
                todo="pass alpha_bar=..., --alpha-bar",
            )
        return Prediction(predicts, 1.0, real_number("sigma", float(sigma), above=0))
    if alpha_bar is not None:
        share = _share(alpha_bar, noise_level)
        return Prediction(predicts, math.sqrt(share), math.sqrt(1 - share))
    if predicts != "state":
        raise MnemoscopeError(
            f"predicts={predicts!r} without the share of the noise",
            expected="alpha_bar at the noise level, or the schedule; or sigma, where the noise is "
            "only added",
            todo="pass alpha_bar=scheduler.alphas_cumprod, --alpha-bar 0.9; or sigma=0.1",
        )
    return Prediction(predicts)


def _share(alpha_bar: float | Tensor, noise_level: float | None) -> float:
    """Returns `abar` at the noise level."""
    schedule = torch.as_tensor(alpha_bar).detach().double().cpu()
    if schedule.ndim == 1:
        steps = len(schedule)
        whole = noise_level is not None and float(noise_level).is_integer()
        if noise_level is None or not whole or not 0 <= noise_level < steps:
            raise MnemoscopeError(
                f"noise_level={noise_level} with a schedule of {steps} levels",
                expected=f"one of its levels, 0 to {steps - 1}",
                todo="pass it: noise_level=100, --noise-level 100",
            )
        schedule = schedule[int(noise_level)]
    if schedule.ndim or not 0 < float(schedule) <= 1:
        raise MnemoscopeError(
            "alpha_bar of shape "
            + (
                f"{tuple(schedule.shape)}" if schedule.ndim else f"() and value {float(schedule):g}"
            ),
            expected="a number above 0, at most 1, or one for each noise level",
            todo="pass the schedule's cumulative product of alphas",
        )
    return float(schedule)
