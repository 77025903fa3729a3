"""Any model as a self-map of data: its own range and layout, and which of its outputs is meant.

With data in [0, 1] and a model whose values run from `low` to `high`,

    f(z) = (out(model(low + (high - low) z)) - low) / (high - low)

so that states, distances and tolerances are the data's. Of a denoiser `out(model(…))` is its
estimate of the state, whatever it predicts. Axes of length 1 that the model drops or adds are put
right: the output has the state's shape.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.check import whole_number, with_given
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.denoisers import Predicts, prediction
from mnemoscope.maps.layout import restored, takes
from mnemoscope.maps.sizes import Sizes

Output = str | int | Callable[[Any], Tensor]


@dataclass(frozen=True)
class MapOptions:
    """How a model is used as a self-map of the data.

    Attributes:
        output: Which part of the model's output is the reconstruction: the name of an attribute or
            key, the place in a tuple, or a function of it. Default: a tensor is taken as it is.
        scale: `(low, high)`: the model's values where the data's are 0 and 1. Default: the same.
        channels_last: Whether the model takes and gives `(n, height, width, channels)`.
        flatten: Whether the model works on flat states `(n, d)`: the state is flattened row by row
            if the model takes that, which is tried, and the output has the state's shape again.
        fixed_batch: The one batch size that the model takes, or the sizes; batches are cut and
            filled up to these. 1 evaluates one state at a time. Default: any.
        black_box: Only evaluate it, though it may have derivatives.
        noise_level: For a denoiser: a number passed to the model as its second argument, one for
            each state of the batch; of a diffusion model the timestep.
        predicts: What a denoiser predicts: `state`, `noise` or `v`; its estimate of the state is
            the map (`mnemoscope.maps.denoisers`). Default: it is tried whether it is the state, and
            refused when it is measured if it does not seem so.
        alpha_bar: With `predicts`: the share of the state's variance in what the model takes at
            that level, a number, or the schedule, one number for each level. The model is then
            passed `sqrt(alpha_bar) z`.
        sigma: Instead of `alpha_bar`: the noise's standard deviation, in the model's values, where
            it is only added to the state.
    """

    output: Output | None = None
    scale: tuple[float, float] | None = None
    channels_last: bool = False
    flatten: bool = False
    fixed_batch: int | Sizes | None = None
    black_box: bool = False
    noise_level: float | None = None
    predicts: Predicts | None = None
    alpha_bar: float | Tensor | None = None
    sigma: float | None = None


class Wrapped(nn.Module):
    """A model that takes or gives something else than a batch of states, as a self-map.

    Args:
        model: A module, or a callable of a batch.
        options: How it is used; default: `MapOptions()`.
        output: Instead of `options.output`.
        scale: Instead of `options.scale`.
        channels_last: Instead of `options.channels_last`.
        flatten: Instead of `options.flatten`.
        fixed_batch: Instead of `options.fixed_batch`.
        black_box: Instead of `options.black_box`.

    Raises:
        MnemoscopeError: the scale is empty, the output has no such part, the share of the noise
            that `predicts` needs is missing, or the batch size is below 1.

    Example:
        >>> f = Wrapped(lambda z: {"sample": z.tanh()}, output="sample", scale=(-1, 1))
        >>> f(torch.full((1, 2), 0.5))
        tensor([[0.5000, 0.5000]])
    """

    def __init__(
        self,
        model: Callable[..., Any],
        options: MapOptions | None = None,
        *,
        output: Output | None = None,
        scale: tuple[float, float] | None = None,
        channels_last: bool | None = None,
        flatten: bool | None = None,
        fixed_batch: int | Sizes | None = None,
        black_box: bool | None = None,
    ) -> None:
        super().__init__()
        options = with_given(
            options or MapOptions(),
            output=output,
            scale=scale,
            channels_last=channels_last,
            flatten=flatten,
            fixed_batch=fixed_batch,
            black_box=black_box,
        )
        low, high = options.scale or (0.0, 1.0)
        if not low < high:
            raise MnemoscopeError(
                f"scale {low:g}, {high:g}",
                expected="the model's values where the data's are 0 and 1, the lower one first",
                todo="pass scale=(-1, 1) for a model of values from -1 to 1",
                field="scale",
            )
        self.model = model
        self.output = options.output
        self.low, self.width = float(low), float(high - low)
        self.channels_last, self.flatten = options.channels_last, options.flatten
        self.noise_level = options.noise_level
        self.prediction = prediction(
            options.predicts,
            noise_level=options.noise_level,
            alpha_bar=options.alpha_bar,
            sigma=options.sigma,
        )
        self.unspecified = options.noise_level is not None and options.predicts is None
        self.assumed = False
        self.fixed_batch = batch_sizes(options.fixed_batch)
        self._takes_flat: dict[tuple[int, ...], bool] = {}
        differentiable = bool(getattr(model, "differentiable", True))
        self.differentiable = differentiable and not options.black_box

    def forward(self, z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Returns the reconstruction of each state."""
        if self.fixed_batch is None:
            return self._whole(z)
        if len(z) == 0:
            return z
        parts = z.split(self.fixed_batch.largest or len(z))
        return torch.cat([self._filled(part, self.fixed_batch.above(len(part))) for part in parts])

    def _filled(self, z: Tensor, size: int) -> Tensor:
        missing = size - len(z)
        full = torch.cat([z, z[-1:].expand(missing, *z.shape[1:])]) if missing else z
        return self._whole(full)[: len(z)]

    def _whole(self, z: Tensor) -> Tensor:
        state = self.low + self.width * z
        state = state if self.prediction is None else self.prediction.given(state)
        if self.channels_last:
            state = state.movedim(1, -1)
        given = state.flatten(1) if self.flatten and self._is_flat(state) else state
        image = self._image(given)
        if self.prediction is not None:
            image = self.prediction.state(given, image)
        image = restored(image, state, flat=self.flatten)
        if self.channels_last:
            image = image.movedim(-1, 1)
        return (image - self.low) / self.width

    def _image(self, given: Tensor) -> Tensor:
        """Evaluates a batch, and reshapes the images to the batch where that is all they need."""
        if self.noise_level is None:
            made = self.model(given)
        else:
            made = self.model(given, given.new_full((len(given),), self.noise_level))
        return restored(chosen(made, self.output, given), given, flat=self.flatten)

    def _is_flat(self, state: Tensor) -> bool:
        """Returns whether the model takes such states flat, found out once for each shape."""
        shape = tuple(state.shape[1:])
        if shape not in self._takes_flat:
            like, sizes = state.detach(), self.fixed_batch or Sizes()
            flat = takes(self._image, (prod(shape),), like=like, sizes=sizes)
            # Where neither works it fails on what it was said to take.
            flat = flat or not takes(self._image, shape, like=like, sizes=sizes)
            self._takes_flat[shape] = flat
        return self._takes_flat[shape]


def batch_sizes(given: int | Sizes | None) -> Sizes | None:
    """Returns the batch sizes that a model takes, from the one or all of them."""
    if given is None or isinstance(given, Sizes):
        return given
    return Sizes.only(whole_number("fixed_batch", given, least=1))


ROUNDING = 1e-6
"""How far outside [0, 1] rounding may leave data, in units of that range."""


def refuse_range(model: object, X: Float[Tensor, "n *shape"]) -> None:
    """Refuses data outside [0, 1] for a model whose scale was not named but assumed for [0, 1]."""
    if not (isinstance(model, Wrapped) and model.assumed):
        return
    low, high = float(X.min()), float(X.max())
    if low >= -ROUNDING and high <= 1 + ROUNDING:
        return
    own = f"{model.low:g} to {model.low + model.width:g}"
    raise MnemoscopeError(
        f"numbers from {low:.6g} to {high:.6g} for a model of values from {own}",
        expected="data in [0, 1], or the scale by name",
        todo="pass the model's values where the data's are 0 and 1: scale=(0, 1), --scale 0,1 if "
        "the data are in the model's own numbers",
        field="scale",
    )


def chosen(made: Any, output: Output | None, given: Tensor | None = None) -> Tensor:
    """Returns the part of a model's output that is the reconstruction of what it was given."""
    found = part_of(made, output)
    if not isinstance(found, Tensor):
        raise MnemoscopeError(
            f"a model that gives a {type(made).__name__}{parts_of(made)}",
            expected="a tensor"
            if output is None or callable(output)
            else f"a tensor as its {output!r}",
            todo=f"name the part that is the reconstruction: {advice(made, given)}"
            if is_parts(made)
            else "hand a function of arrays over as a black box: mn.BlackBox(f)",
            field="output",
        )
    return found


def part_of(made: Any, output: Output | None) -> Any:
    """Returns a part of what a model gives; None where there is no such part."""
    if output is None:
        return made
    if callable(output):
        return output(made)
    if isinstance(output, str) and output.lstrip("-").isdigit():
        output = int(output)
    if isinstance(output, int):
        there = isinstance(made, Sequence) and -len(made) <= output < len(made)
        return made[output] if there else None  # pyright: ignore[reportIndexIssue]
    if isinstance(made, Tensor):
        return None
    if isinstance(made, Mapping):
        return made.get(output)
    return getattr(made, output, None)


def parts_of(made: Any) -> str:
    """Describes what a model returns."""
    if isinstance(made, Mapping):
        return f" with {', '.join(map(str, made))}"
    if isinstance(made, Sequence) and not isinstance(made, str):
        return f" of {len(made)} parts ({', '.join(map(_kind, made))})"
    named = getattr(made, "__dict__", None)
    return f" with {', '.join(named)}" if named and not isinstance(made, Tensor) else ""


def _kind(part: Any) -> str:
    return str(tuple(part.shape)) if isinstance(part, Tensor) else type(part).__name__


def is_parts(made: Any) -> bool:
    """Returns whether a model gives several things by name or place, not an array or a number."""
    named = isinstance(made, Mapping) or (isinstance(made, Sequence) and not isinstance(made, str))
    return named or any(isinstance(part, Tensor) for part in getattr(made, "__dict__", {}).values())


def advice(made: Any, given: Tensor | None = None) -> str:
    """Suggests a part of the output: the first that has the shape of the model's input."""
    if isinstance(made, Sequence) and not isinstance(made, str) and not hasattr(made, "_fields"):
        place = next((i for i, part in enumerate(made) if _is_like(part, given)), 1)
        return f"its place, output={place}, --output {place}"
    named = getattr(made, "_asdict", lambda: getattr(made, "__dict__", {}))
    parts = made if isinstance(made, Mapping) else named()
    name = next((str(key) for key, part in parts.items() if _is_like(part, given)), "sample")
    return f'its name, output="{name}", --output {name}'


def _is_like(part: Any, given: Tensor | None) -> bool:
    return given is not None and isinstance(part, Tensor) and part.shape == given.shape
