"""`load_map`: a self-map from whatever an adapter recognizes, a file or a live object."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.check import with_given
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Loaded, LoadOptions, Request, refuse_unused
from mnemoscope.maps.adapters.factory import adapted, described
from mnemoscope.maps.adapters.registry import find_adapter, find_object_adapter
from mnemoscope.maps.check import check_loaded
from mnemoscope.maps.denoisers import prediction
from mnemoscope.maps.domain import Domain, checked_domain
from mnemoscope.maps.failures import MapFailedError
from mnemoscope.maps.layout import LaidOut, channels_first, laid_out, layout_taken, not_taken
from mnemoscope.maps.self_map import SelfMap
from mnemoscope.maps.sizes import Sides, Sizes, have_sizes
from mnemoscope.maps.weights import refuse_empty
from mnemoscope.maps.wrapped import MapOptions, Output, Wrapped, batch_sizes, refuse_range
from mnemoscope.nets.modules import copied, in_single
from mnemoscope.nets.spec import Network

CHECKED = 3
"""States, uniform in [0, 1], that a map is checked at when it is loaded."""


@dataclass(frozen=True)
class Opened:
    """A model that was loaded, before it is known what states it is to be a map of.

    Attributes:
        target: Where it came from.
        adapter: Which adapter loaded it; `python` for a module or callable that needs none.
        model: A module or callable from a batch to a batch.
        shape: The shape of a state, if the file states it.
        device: Where it computes.
        binds: Whether it takes states of that shape alone; otherwise the shape is a default.
        sides: The sizes that each side of a state may have, if the file states it.
        domain: The least and the largest entry of its states; None: no bound is known.
        budget: Bytes of memory that evaluating and linearizing may take.
    """

    target: str
    adapter: str
    model: Callable[..., Any]
    shape: tuple[int, ...] | None
    device: str
    binds: bool = True
    sides: Sides | None = None
    domain: Domain | None = None
    budget: int | None = None

    def of_shape(self, shape: Sequence[int]) -> "Opened":
        """Returns the model of states of this shape alone.

        Raises:
            MnemoscopeError: the file says that it takes others.
        """
        state = tuple(shape)
        self._refuse(state)
        return replace(self, shape=state, binds=True)

    def laid_out(self, X: Float[Tensor, "n *given"]) -> LaidOut:
        """Returns the data in the layout of the model's states, and what was done for it.

        Where the model has one shape, data are brought to it; otherwise the layouts that they may
        have are tried, the data as they are first. See `mnemoscope.maps.layout`.
        """
        if self.shape is not None and self.binds:
            return laid_out(X, self.shape)
        tried = layout_taken(self.model, X, device=self.device)
        if tried.states is not None or self.shape is None:
            return tried
        return laid_out(X, self.shape)

    def refuse_range(self, X: Float[Tensor, "n *shape"]) -> None:
        """Refuses data outside of the range for which the adapter knows the model's scale.

        Raises:
            MnemoscopeError: see `mnemoscope.maps.wrapped.refuse_range`.
        """
        refuse_range(self.model, X)

    def self_map(self, shape: Sequence[int] | None = None) -> SelfMap:
        """Returns the self-map of states of this shape (default: what the file says).

        Raises:
            MnemoscopeError: the shape is not known, the file says another one that binds, or it is
                no self-map of such states.
        """
        state = self.shape if shape is None else tuple(shape)
        if state is None:
            raise MnemoscopeError(
                f"{self.target}, which does not state the shape of its states",
                expected="their shape",
                todo="pass it: shape=(3, 32, 32), --shape 3,32,32",
                field="shape",
            )
        self._refuse(state)
        try:
            f = SelfMap(
                self.model, state, device=self.device, budget=self.budget, domain=self.domain
            )
        except MapFailedError as error:
            if self.shape is None or self.shape == state:
                raise
            raise not_taken(error, self.target, state, self.shape) from error
        f.shape_binds = self.binds or shape is not None
        return f

    def _refuse(self, state: tuple[int, ...]) -> None:
        """Refuses a shape that the file excludes."""
        if self.binds and self.shape is not None and state != self.shape:
            raise MnemoscopeError(
                f"{self.target} for states {self.shape}, and states of shape {state}",
                expected="the shape that it states itself",
                todo="leave it out, or bring the data to it",
                field="shape",
            )
        if self.sides is not None and not have_sizes(state, self.sides):
            raise MnemoscopeError(
                f"{self.target}, and states of shape {state}",
                expected=f"sides that it was exported for: {', '.join(map(str, self.sides))}",
                todo="bring the data to such a shape, or export it for other bounds",
                field="shape",
            )


def open_model(target: object, options: LoadOptions | None = None) -> Opened:
    """Opens the model of a file, folder or object; arguments and errors as of `load_map`."""
    options = options or LoadOptions()
    if options.weights is not None:
        options = replace(options, weights=os.fspath(options.weights))
    box = checked_domain(options.domain)
    place = os.fspath(target) if isinstance(target, str | os.PathLike) else None
    request = Request(target=described(target) if place is None else place, **vars(options))
    if place is None:
        # The caller's module is not changed; adapters copy what they take over.
        if isinstance(target, nn.Module) and find_object_adapter(target) is None:
            target = copied(target)
        name, loaded = adapted(target, request, options.adapter)
    else:
        name, found = find_adapter(place, options.adapter)
        refuse_unused(request, found.takes, f"the adapter {name} does not use it")
        loaded = found.load(request)
    model = loaded.model
    if isinstance(model, nn.Module):
        refuse_empty(model)
        model = in_single(model.to(options.device))
        model.eval()
    shape, sides = _stated(loaded, options)
    return Opened(
        request.target,
        name,
        _wrapped(model, loaded, request),
        shape,
        options.device,
        loaded.binds and (loaded.shape is not None or isinstance(loaded.model, Network)),
        sides,
        box or checked_domain(loaded.domain),
        options.budget,
    )


def _wrapped(model: Callable[..., Any], loaded: Loaded, request: Request) -> Callable[..., Any]:
    """Returns the model as a self-map of the data; itself where it is one."""
    level = request.noise_level
    predicts = None
    if loaded.takes_prediction:
        predicts = prediction(
            request.predicts, noise_level=level, alpha_bar=request.alpha_bar, sigma=request.sigma
        )
    unspecified = loaded.takes_prediction and level is not None and request.predicts is None
    output = request.output if loaded.takes_output else None
    options = MapOptions(
        output=loaded.output if output is None else output,
        scale=request.scale or loaded.scale,
        channels_last=request.channels_last,
        flatten=request.flatten,
        fixed_batch=_batches(loaded, request),
        black_box=request.black_box or loaded.black_box,
        noise_level=level if loaded.takes_noise_level else None,
    )
    if predicts is None and not unspecified and options == MapOptions():
        return model
    wrapped = Wrapped(model, options)
    # An adapter may hand over the noise level itself, so this is not up to `Wrapped`.
    wrapped.prediction, wrapped.unspecified = predicts, unspecified
    wrapped.assumed = request.scale is None and loaded.scale is not None
    return wrapped.eval()


def _batches(loaded: Loaded, request: Request) -> Sizes | None:
    """Returns the batch sizes that are asked for, else those that the file says."""
    asked = request.fixed_batch
    sizes, known = batch_sizes(asked), batch_sizes(loaded.fixed_batch)
    if asked is not None and not isinstance(asked, Sizes) and known and asked not in known:
        raise MnemoscopeError(
            f"fixed_batch={asked} for {request.target}",
            expected=f"a batch size that it was exported for: {known}",
            todo="leave it out",
            field="fixed_batch",
        )
    return sizes or known


def load_map(
    target: object,
    options: LoadOptions | None = None,
    *,
    shape: Sequence[int] | None = None,
    output: Output | None = None,
    scale: tuple[float, float] | None = None,
    weights: str | os.PathLike[str] | None = None,
    device: str | None = None,
) -> SelfMap:
    """Returns the self-map that a file or folder holds, or that a live object is.

    Weights of half precision are computed with in float32: what is measured here needs its digits.

    Args:
        target: An Mnemoscope `.safetensors`; `package.module:factory`; a `.pt2` of `torch.export`;
            an `.onnx`; a folder of `diffusers` or `transformers`; a fitted model of a library that
            an adapter knows (scikit-learn, PyOD, SAELens, Keras, Flax, Equinox, scVI), a class of
            Lightning, a module or a callable, which is copied; or what another adapter
            takes.
        options: How it is opened and used; default: `LoadOptions()`. What an adapter knows of the
            model's scale, batch size, domain and prediction is the default of these.
        shape: The shape of a state; default: what the file says. The size that a model of
            `diffusers` or `transformers` was made for is only a default.
        output: Instead of `options.output`.
        scale: Instead of `options.scale`.
        weights: Instead of `options.weights`.
        device: Instead of `options.device`.

    Raises:
        MnemoscopeError: no adapter takes the target, it cannot be loaded, or it is no self-map of
            such states.

    Example:
        >>> load_map(nn.Linear(6, 6), shape=(6,))
        SelfMap(Linear, shape=(6,))
    """
    options = with_given(
        options or LoadOptions(), output=output, scale=scale, weights=weights, device=device
    )
    f = open_model(target, options).self_map(shape)
    generator = torch.Generator().manual_seed(0)
    states = torch.rand(CHECKED, *f.shape, generator=generator)
    check_loaded(f, f.clipped(f.batch(states)))
    return f


def _stated(loaded: Loaded, options: LoadOptions) -> tuple[tuple[int, ...] | None, Sides | None]:
    """Returns the file's shape of a state, in the data's layout, and the sizes of its sides.

    A file says what the model takes: channels that come last there come first in a state, and what
    is flat there has the data's shape.
    """
    stated = loaded.shape or getattr(loaded.model, "shape", None)
    shape = None if stated is None else tuple(stated)
    sides = loaded.sides or shape
    if sides is None or (options.flatten and len(sides) == 1):
        return None, None
    if options.channels_last:
        sides = sides[-1:] + sides[:-1]
        shape = None if shape is None else channels_first(shape)
    return shape, None if loaded.sides is None else sides
