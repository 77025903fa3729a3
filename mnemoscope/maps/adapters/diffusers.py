"""Folders of `diffusers`: autoencoders, and denoisers at a fixed noise level.

A diffusion model of noise level `t` estimates from `z_t = a z + s e` (`a^2 = abar_t`,
`s^2 = 1 - abar_t`) the noise `e`, the state itself or `v = a e - s z`. The self-map is its estimate
of the state from `z_t = a z`, with `z` in the state's own units:

    epsilon:       f(z) = (a z - s e) / a
    sample:        f(z) = what it gives
    v_prediction:  f(z) = a (a z) - s v

(Ho, Jain, Abbeel 2020, eq. 15; Salimans and Ho 2022, section 3.)
"""

import inspect
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request
from mnemoscope.maps.adapters.configured import CONFIG, read_config, refuse_code, refuse_pickled
from mnemoscope.maps.adapters.optional import needed, quiet_loading

SCHEDULE = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
    "rescale_betas_zero_snr",
)  # fmt: skip
"""What of a scheduler's settings says how much noise there is at each timestep."""

PREDICTIONS = ("epsilon", "sample", "v_prediction")

QUANTIZED = ("VQModel",)
"""Models with a codebook."""

SCALE = (-1.0, 1.0)
"""The range of pictures in this library's models."""


class Diffusers(Adapter):
    """A folder that `save_pretrained` of a model or a pipeline wrote."""

    def recognizes(self, target: str) -> bool:
        """A folder whose configuration names a class of the library."""
        config = read_config(_model_folder(Path(target)))
        return config is not None and "_diffusers_version" in config

    def load(self, request: Request) -> Loaded:
        """The model; of a VAE the mean is decoded, a denoiser needs its noise level."""
        library = needed("diffusers", extra="diffusers")
        folder = _model_folder(Path(request.target))
        config = read_config(folder)
        refuse_code(folder, config)
        name = (config or {}).get("_class_name")
        kind = getattr(library, name, None) if isinstance(name, str) else None
        if config is None or kind is None or not hasattr(kind, "from_pretrained"):
            raise MnemoscopeError(
                f"{request.target}, which names no model of diffusers ({name})",
                expected=f"a folder with a {CONFIG} that save_pretrained wrote",
                todo="check the folder, or install a newer diffusers",
            )
        refuse_pickled(str(folder))
        try:
            with quiet_loading():
                model: Any = kind.from_pretrained(
                    folder, local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
                )
        except Exception as error:
            raise MnemoscopeError(
                f"{folder}, which diffusers cannot load ({(str(error).splitlines() or [''])[0]})",
                expected="a whole folder that save_pretrained wrote",
                todo="save the model again",
            ) from error
        shape = _shape(config)
        wanted = _arguments(model)
        if "timestep" in wanted:
            if wanted[2:]:
                raise MnemoscopeError(
                    f"{request.target}, a {name} that also needs {', '.join(wanted[2:])}",
                    expected="a model of a batch and a timestep alone",
                    todo="fix the rest in a factory of your own: package.module:factory",
                )
            return Loaded(_denoiser(model, request), shape, None, SCALE, takes_noise_level=False)
        if request.noise_level is not None:
            raise MnemoscopeError(
                f"--noise-level {request.noise_level:g} for a {name}",
                expected="nothing, since it takes none",
                todo="leave it out",
            )
        # A codebook's output is constant from one code to the next; what it gives for a derivative
        # is that of the model without it.
        quantized = name in QUANTIZED
        return Loaded(model, shape, "sample", SCALE, black_box=quantized)


class Denoiser(nn.Module):
    """A diffusion model's estimate of the state at one noise level.

    Args:
        model: Takes a noisy batch and the timestep.
        timestep: The noise level.
        signal: `a`, the share of the state in what the model takes.
        predicts: `epsilon`, `sample` or `v_prediction`.
    """

    def __init__(self, model: nn.Module, timestep: int, signal: float, predicts: str) -> None:
        super().__init__()
        self.model, self.timestep, self.predicts = model, timestep, predicts
        self.signal, self.noise = signal, (1 - signal**2) ** 0.5

    def forward(self, z: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The estimate from `a z`."""
        noisy = self.signal * z
        made = self.model(noisy, self.timestep).sample
        if self.predicts == "sample":
            return made
        if self.predicts == "v_prediction":
            return self.signal * noisy - self.noise * made
        return (noisy - self.noise * made) / self.signal


def _denoiser(model: nn.Module, request: Request) -> Denoiser:
    library = needed("diffusers", extra="diffusers")
    place = Path(request.target)
    # Beside the model in a pipeline, which may have been named itself or its part.
    places = (place / "scheduler", place.resolve().parent / "scheduler")
    found = (read_config(folder, "scheduler_config.json") for folder in places)
    settings = next((config for config in found if config), {})
    # Without a scheduler beside it: the one that the model was introduced with.
    known = {key: value for key, value in settings.items() if key in SCHEDULE}
    if settings and "beta_schedule" not in known:
        raise MnemoscopeError(
            f"{request.target}, a diffusion model with a {settings.get('_class_name')}",
            expected="a scheduler of variance-preserving noise, which has a beta_schedule",
            todo="wrap the model's denoiser yourself, as a factory: package.module:factory",
        )
    predicts = settings.get("prediction_type", "epsilon")
    try:
        scheduler = library.DDPMScheduler(**known)
        if predicts not in PREDICTIONS:
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
    signal = float(torch.as_tensor(scheduler.alphas_cumprod)[int(level)].sqrt())
    return Denoiser(model, int(level), signal, predicts)


def _model_folder(folder: Path) -> Path:
    """The folder itself, or of a pipeline the one of its denoiser or autoencoder."""
    if (folder / CONFIG).is_file():
        return folder
    return next((folder / part for part in ("unet", "vae") if (folder / part).is_dir()), folder)


def _shape(config: dict[str, Any]) -> tuple[int, ...] | None:
    size, channels = config.get("sample_size"), config.get("in_channels")
    sides = [size, size] if isinstance(size, int) else size
    told = [channels, *sides] if isinstance(sides, list) else []
    whole = len(told) == 3 and all(isinstance(side, int) for side in told)
    return tuple(told) if whole else None


def _arguments(model: nn.Module) -> list[str]:
    """What the model must be handed."""
    parameters = inspect.signature(model.forward).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
