"""`load_map`: a self-map from whatever an adapter recognizes, a file or a live object."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mnemoscope.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Loaded, Request, refuse_unused
from mnemoscope.maps.adapters.live import adapted, described
from mnemoscope.maps.adapters.registry import find_adapter, find_object_adapter
from mnemoscope.maps.check import check_loaded
from mnemoscope.maps.denoisers import Predicts, prediction
from mnemoscope.maps.self_map import SelfMap
from mnemoscope.maps.weights import refuse_empty
from mnemoscope.maps.wrapped import Output, Wrapped
from mnemoscope.nets.dtypes import copied, in_single

CHECKED = 3
"""States, uniform in [0, 1], that a map is checked at when it is loaded."""


@dataclass(frozen=True)
class Opened:
    """A model that was loaded, before it is known what states it is to be a map of.

    Attributes:
        target: Where it came from.
        adapter: Which adapter loaded it; `python` for a module or callable that needs none.
        model: A module or callable from a batch to a batch.
        shape: The shape of a state, if the file tells.
        device: Where it computes.
    """

    target: str
    adapter: str
    model: Callable[..., Any]
    shape: tuple[int, ...] | None
    device: str

    def self_map(self, shape: Sequence[int] | None = None, *, budget: int | None = None) -> SelfMap:
        """The self-map of states of this shape (default: what the file says).

        Raises:
            MnemoscopeError: the shape is not known, or it is no self-map of such states.
        """
        state = self.shape if shape is None else tuple(shape)
        if state is None:
            raise MnemoscopeError(
                f"{self.target}, which does not tell the shape of its states",
                expected="their shape",
                todo="pass it: shape=(3, 32, 32), --shape 3,32,32",
            )
        return SelfMap(self.model, state, device=self.device, budget=budget)


def open_model(
    target: object,
    *,
    adapter: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    weights_key: str | None = None,
    factory_args: Mapping[str, Any] | None = None,
    output: Output | None = None,
    scale: tuple[float, float] | None = None,
    channels_last: bool = False,
    noise_level: float | None = None,
    predicts: Predicts | None = None,
    alpha_bar: float | Tensor | None = None,
    sigma: float | None = None,
    black_box: bool = False,
    device: str = "cpu",
) -> Opened:
    """The model that a file, folder or object is; arguments and errors as `load_map` has them."""
    place = os.fspath(target) if isinstance(target, str | os.PathLike) else None
    request = Request(
        described(target) if place is None else place,
        device,
        None if weights is None else os.fspath(weights),
        dict(factory_args or {}),
        noise_level,
        output,
        predicts,
        alpha_bar,
        sigma,
        weights_key,
    )
    if place is None:
        # The caller's module is not changed; adapters copy what they take over.
        if isinstance(target, nn.Module) and find_object_adapter(target) is None:
            target = copied(target)
        name, loaded = adapted(target, request, adapter)
    else:
        name, found = find_adapter(place, adapter)
        refuse_unused(found, name, request)
        loaded = found.load(request)
    model = loaded.model
    if isinstance(model, nn.Module):
        refuse_empty(model)
        model = in_single(model.to(device))
        model.eval()
    model = _wrapped(model, loaded, request, scale, channels_last, black_box)
    return Opened(request.target, name, model, _shape(loaded), device)


def _wrapped(
    model: Callable[..., Any],
    loaded: Loaded,
    request: Request,
    scale: tuple[float, float] | None,
    channels_last: bool,
    black_box: bool,
) -> Callable[..., Any]:
    """The model as a self-map of the data; itself where it is one."""
    level = request.noise_level
    chosen = None
    if loaded.takes_prediction:
        chosen = prediction(
            request.predicts, noise_level=level, alpha_bar=request.alpha_bar, sigma=request.sigma
        )
    untold = loaded.takes_prediction and level is not None and request.predicts is None
    output = request.output if loaded.takes_output else None
    options: dict[str, Any] = {
        "output": loaded.output if output is None else output,
        "scale": scale or loaded.scale,
        "noise_level": level if loaded.takes_noise_level else None,
        "fixed_batch": loaded.fixed_batch,
    }
    black_box = black_box or loaded.black_box
    plain = all(value is None for value in (*options.values(), chosen))
    if plain and not (channels_last or black_box or untold):
        return model
    wrapped = Wrapped(model, channels_last=channels_last, black_box=black_box, **options)
    # An adapter may hand over the noise level itself, so this is not up to `Wrapped`.
    wrapped.prediction, wrapped.untold = chosen, untold
    return wrapped.eval()


def load_map(
    target: object,
    *,
    shape: Sequence[int] | None = None,
    budget: int | None = None,
    **options: Any,
) -> SelfMap:
    """The self-map that a file or folder holds, or that a live object is.

    Weights of half precision are computed with in float32: what is measured here needs its digits.

    Args:
        target: An Mnemoscope `.safetensors`; `package.module:factory`; a `.pt2` of `torch.export`;
            an `.onnx`; a folder of `diffusers` or `transformers`; a fitted model of a library that
            an adapter knows (scikit-learn, PyOD, SAELens, Keras, Flax, Equinox, scVI), a class of
            Lightning, a module or a callable, of which a copy is taken; or what another adapter
            takes.
        shape: The shape of a state; left out, what the file says.
        budget: Bytes of memory that evaluating and linearizing may take.
        **options: `adapter`: its name (left out, the one that recognizes the target). `weights`:
            for a factory, a `.safetensors`, a `.pt` of tensors alone, an index of several files, or
            a folder with one of these. `weights_key`: which part of it, where several fit.
            `factory_args`: its keyword arguments. `output`: which part of what the model gives is
            the reconstruction; see `Wrapped`. `scale`: the model's values where the data's are 0
            and 1 (left out, what the adapter knows). `channels_last`: whether the model wants `(n,
            height, width, channels)`. `black_box`: only evaluate it. `noise_level`: of a denoiser,
            handed to it as its second argument; of a diffusion model the timestep. `predicts`,
            `alpha_bar`, `sigma`: what a denoiser predicts, and the share of the noise; see
            `Wrapped` (default: of a folder of diffusers what its scheduler says). `device`: where
            it computes.

    Raises:
        MnemoscopeError: no adapter takes the target, it cannot be loaded, or it is no self-map of
            such states.
    """
    f = open_model(target, **options).self_map(shape, budget=budget)
    generator = torch.Generator().manual_seed(0)
    states = torch.rand(CHECKED, *f.shape, generator=generator)
    check_loaded(f, states)
    return f


def _shape(loaded: Loaded) -> tuple[int, ...] | None:
    told = loaded.shape or getattr(loaded.model, "shape", None)
    return tuple(told) if told is not None else None
