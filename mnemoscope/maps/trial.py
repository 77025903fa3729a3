"""Which states a model takes, found out by handing it some."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.failures import MapFailedError
from mnemoscope.maps.layout import LaidOut, first_fitting
from mnemoscope.maps.live_memory import is_memory
from mnemoscope.maps.sizes import Sizes
from mnemoscope.nets.modules import eval_mode, in_single, state_device, state_dtype

COUPLED = 0.01
"""Share of the largest entry from which on images of one state in two batches differ, when a batch
was taken for something else: a state without a batch, a sequence."""

ANY = Sizes()


def takes(
    apply: Callable[[Tensor], Any],
    shape: Sequence[int],
    *,
    like: Tensor,
    sizes: Sizes = ANY,
    strict: bool = True,
) -> bool:
    """Returns whether a function takes batches of such states, and gives as many entries.

    It is handed batches of two sizes, and with other states in them: one that takes `(n, a, b)` for
    one state of `n` channels takes one size at most, and mixes up the states.
    """
    few = sizes.above(2)
    many = sizes.above(few + 1)
    generator = torch.Generator().manual_seed(0)
    states = torch.rand(many, *shape, generator=generator).to(like)

    def images(batch: Tensor) -> Any:
        with torch.no_grad():
            return apply(batch.clone())

    try:
        whole, part = images(states), images(states[:few]) if few < many else None
        if not isinstance(whole, Tensor):
            return not strict
        fits = _is_batch(whole, states) and (part is None or _is_batch(part, states[:few]))
        return fits and not (strict and many > 1 and _is_coupled(images, states, whole, part))
    except MnemoscopeError as error:
        return not strict and not isinstance(error, MapFailedError)
    except (Exception, SystemExit) as error:
        if is_memory(error):
            raise
        return False


def layout_taken(
    model: Callable[[Tensor], Any],
    X: Float[Tensor, "n *given"],
    *,
    device: torch.device | str | None = None,
) -> LaidOut:
    """Brings data to the layout that a model takes, which does not state its shape.

    The data as they are come first, and nothing else is tried if the model takes these: it must
    give as many entries as it is given.

    Example:
        >>> layout_taken(nn.Conv2d(1, 1, 3, padding=1), torch.rand(4, 8, 8)).how
        'a channel axis was inserted'
    """
    model = in_single(model)
    modules = [model] if isinstance(model, nn.Module) else []
    like = torch.empty(0, dtype=state_dtype(modules, None), device=state_device(modules, device))
    given = tuple(X.shape[1:])
    with eval_mode(modules[0]) if modules else nullcontext():
        return first_fitting(X, lambda shape: takes(model, shape, like=like, strict=shape != given))


def _is_batch(images: Tensor, states: Tensor) -> bool:
    """Returns whether these have equally many entries for each of the states."""
    return images.shape[:1] == states.shape[:1] and images.numel() == states.numel()


def _is_coupled(
    images: Callable[[Tensor], Tensor], states: Tensor, whole: Tensor, part: Tensor | None
) -> bool:
    """Returns whether images change with the first or last state, or without the others."""
    pairs = [] if part is None else [(whole[: len(part)], part)]
    for place, others in ((0, slice(1, None)), (-1, slice(None, -1))):
        changed = states.clone()
        changed[place] = 1 - changed[place]
        pairs.append((whole[others], images(changed)[others]))
    largest = whole.abs().nan_to_num(0.0, posinf=0.0).max()
    apart = [(a - b).abs().nan_to_num(0.0, posinf=0.0).max() for a, b in pairs]
    return bool(max(apart) > COUPLED * largest)
