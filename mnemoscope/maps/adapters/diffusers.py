"""Folders of `diffusers`: autoencoders, and denoisers at a fixed noise level.

The self-map of a diffusion model is its estimate of the state (`mnemoscope.maps.denoisers`); its
scheduler says what it predicts and how much noise there is at each timestep.
"""

import inspect
import logging
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import needed_for
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request
from mnemoscope.maps.adapters.configured import CONFIG, pretrained, read_config
from mnemoscope.maps.denoisers import Prediction, Predicts, prediction

log = logging.getLogger("mnemoscope")

SCHEDULE = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
)
"""What of a scheduler's settings says how much noise there is at each timestep."""

PREDICTIONS: dict[str, Predicts] = {"epsilon": "noise", "sample": "state", "v_prediction": "v"}
"""What its schedulers call the kinds of prediction."""

QUANTIZED = ("VQModel",)
"""Models with a codebook."""

SCALE = (-1.0, 1.0)
"""The range of pictures in this library's models."""


class Diffusers(Adapter):
    """A folder that `save_pretrained` of a model or a pipeline wrote."""

    def recognizes(self, target: str) -> bool:
        """Returns a folder whose configuration names a class of the library."""
        config = read_config(_model_folder(Path(target)))
        return config is not None and "_diffusers_version" in config

    def load(self, request: Request) -> Loaded:
        """Returns the model; of a VAE the mean is decoded, a denoiser needs its noise level."""
        folder = _model_folder(Path(request.target))
        config = read_config(folder) or {}
        name = config.get("_class_name")
        model = pretrained("diffusers", folder, config, name, low_cpu_mem_usage=False)
        shape = _shape(config)
        wanted = _arguments(model)
        if "timestep" in wanted:
            if wanted[2:]:
                raise MnemoscopeError(
                    f"{request.target}, a {name} that also needs {', '.join(wanted[2:])}",
                    expected="a model of a batch and a timestep alone",
                    todo="fix the rest in a factory of your own: package.module:factory",
                )
            return Loaded(
                _denoiser(model, request),
                shape,
                None,
                SCALE,
                takes_noise_level=False,
                takes_prediction=False,
                binds=False,
            )
        _refuse_noise(request, name)
        # A codebook's output is constant from one code to the next; what it gives for a derivative
        # is that of the model without it.
        quantized = name in QUANTIZED
        return Loaded(model, shape, "sample", SCALE, black_box=quantized, binds=False)


class Denoiser(nn.Module):
    """A diffusion model's estimate of the state at one noise level."""

    def __init__(self, model: nn.Module, timestep: int, prediction: Prediction) -> None:
        super().__init__()
        self.model, self.timestep, self.prediction = model, timestep, prediction

    def forward(self, z: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Returns the estimate from the state without noise."""
        given = self.prediction.given(z)
        return self.prediction.state(given, self.model(given, self.timestep).sample)


def _refuse_noise(request: Request, name: object) -> None:
    """Refuses what only a denoiser has a use for."""
    given = {
        "--noise-level": request.noise_level,
        "--predicts": request.predicts,
        "--alpha-bar": request.alpha_bar,
        "--sigma": request.sigma,
    }
    for option, value in given.items():
        if value is not None:
            raise MnemoscopeError(
                f"{option} for a {name}",
                expected="nothing, since it is no denoiser",
                todo="leave it out",
            )


def _denoiser(model: nn.Module, request: Request) -> Denoiser:
    library = needed_for("a model", "diffusers", extra="diffusers")
    place = Path(request.target)
    # Next to the model in a pipeline; the target may be the pipeline or its part.
    places = (place / "scheduler", place.resolve().parent / "scheduler")
    found = (read_config(folder, "scheduler_config.json") for folder in places)
    settings = next((config for config in found if config), {})
    # Without a scheduler: the one that the model was introduced with.
    known = {key: value for key, value in settings.items() if key in SCHEDULE}
    if settings and "beta_schedule" not in known:
        raise MnemoscopeError(
            f"{request.target}, a diffusion model with a {settings.get('_class_name')}",
            expected="a scheduler of variance-preserving noise, which has a beta_schedule",
            todo="wrap the model's denoiser yourself, as a factory: package.module:factory",
        )
    predicts = _predicts(settings, request)
    try:
        scheduler = library.DDPMScheduler(**known)
        if predicts not in PREDICTIONS.values():
            raise ValueError(f"prediction_type {predicts!r}")
    except Exception as error:
        raise MnemoscopeError(
            f"{request.target}, whose scheduler cannot be used ({type(error).__name__}: {error})",
            expected=f"a noise schedule of diffusers, and a prediction of {', '.join(PREDICTIONS)}",
            todo="check its scheduler_config.json",
        ) from error
    steps = len(scheduler.alphas_cumprod)
    level = request.noise_level
    if level is None or level != int(level) or not 0 <= level < steps:
        raise MnemoscopeError(
            f"{request.target}, a diffusion model, "
            + ("without a noise level" if level is None else f"at the noise level {level:g}"),
            expected=f"one of its timesteps, 0 to {steps - 1}",
            todo="pass it: noise_level=100, --noise-level 100",
        )
    given = request.alpha_bar is not None or request.sigma is not None
    shares = request.alpha_bar if given else torch.as_tensor(scheduler.alphas_cumprod)
    found = prediction(predicts, noise_level=level, alpha_bar=shares, sigma=request.sigma)
    assert found is not None
    return Denoiser(model, int(level), found)


def _predicts(settings: dict[str, Any], request: Request) -> str:
    """Returns what the model predicts: by the user, its scheduler, or the default."""
    if request.predicts is not None:
        return request.predicts
    kind = settings.get("prediction_type")
    if kind is None:
        log.warning(
            "%s: no scheduler says what the model predicts; it is taken for the noise "
            "(predicts=..., --predicts)",
            request.target,
        )
        return "noise"
    return PREDICTIONS.get(kind, f"{kind}") if isinstance(kind, str) else repr(kind)


def _model_folder(folder: Path) -> Path:
    """Returns the folder itself, or of a pipeline the one of its denoiser or autoencoder."""
    if (folder / CONFIG).is_file():
        return folder
    return next((folder / part for part in ("unet", "vae") if (folder / part).is_dir()), folder)


def _shape(config: dict[str, Any]) -> tuple[int, ...] | None:
    """Returns the shape that the model was made for, which a convolutional one is not bound to."""
    size, channels = config.get("sample_size"), config.get("in_channels")
    sides = [size, size] if isinstance(size, int) else size
    stated = [channels, *sides] if isinstance(sides, list) else []
    whole = len(stated) == 3 and all(isinstance(side, int) for side in stated)
    return tuple(stated) if whole else None


def _arguments(model: nn.Module) -> list[str]:
    """Returns the arguments that the model needs."""
    parameters = inspect.signature(model.forward).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
