"""The same architecture with fresh weights: what a map would measure had it learned nothing."""

import sys
from collections.abc import Callable
from copy import deepcopy
from functools import reduce

import torch
from torch import nn

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.maps.self_map import SelfMap
from mnemoscope.nets import Network

RESETS = ("reset_parameters", "_reset_parameters")
"""What PyTorch's layers call the method that draws their own weights again."""


class UntrainedError(MnemoscopeError):
    """Fresh weights cannot be drawn: some parameters do not say what law they came from."""


def untrained(f: SelfMap, seed: int = 0) -> SelfMap:
    """Returns the map with fresh weights, drawn by the laws its networks were first drawn by.

    A network of a spec is built again; a model of transformers or diffusers is made again from its
    configuration; of any other module each layer that owns parameters draws them again
    (`reset_parameters`). Before that all parameters of the copy are made NaN, so one that nothing
    has drawn again is found, whatever a layer's method claims. Drawn on the CPU; the global
    generator is left as it was, and so is `f`. Memory: a copy of the networks.

    Example:
        >>> from mnemoscope.nets import FullyConnected
        >>> spec = FullyConnected(shape=(1, 4, 4), width=8, depth=2)
        >>> fresh = untrained(SelfMap(spec.build(seed=3)), seed=5)
        >>> torch.equal(fresh.modules[0].body[1].weight, spec.build(seed=5).body[1].weight)
        True
    """
    foreign = next((stage for stage in f.stages if not isinstance(stage, nn.Module)), None)
    if foreign is not None:
        raise UntrainedError(
            f"a map with a {type(foreign).__name__} in it, which is no module",
            expected="PyTorch modules, whose weights can be drawn again",
            todo="wrap what it does in an nn.Module",
        )
    if not any(True for module in f.modules for _ in module.parameters()):
        raise UntrainedError(
            f"{f!r} without parameters",
            expected="a network that has learned something",
            todo="nothing: such a map has no untrained counterpart",
        )
    fresh: dict[int, nn.Module] = {}
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed the accelerators' generators too.
        torch.default_generator.manual_seed(seed)
        for module in f.modules:
            try:
                fresh[id(module)] = _drawn_again(module, seed).to(f.device)
            except UntrainedError:
                raise
            except Exception as error:  # Layers of others raise whatever they raise.
                reason = first_line(error)
                raise UntrainedError(
                    f"{type(module).__name__}, whose weights cannot be drawn again: "
                    f"{type(error).__name__}: {reason}",
                    expected="layers whose reset_parameters() takes no arguments",
                    todo="repair the layer that fails",
                ) from error
    maps = [
        SelfMap(fresh[id(stage)], f.shape, budget=f.budget, domain=box)
        for stage, box in zip(f.stages, f.boxes, strict=True)
    ]
    return reduce(lambda inner, outer: outer @ inner, maps)


def _drawn_again(module: nn.Module, seed: int) -> nn.Module:
    """Returns a copy on the CPU, all of its parameters drawn again."""
    copy = deepcopy(module).cpu()
    _refuse_integers(copy)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.fill_(torch.nan)
        _draw_again(copy, type(copy).__name__, seed)
    _check_all_drawn(copy)
    return copy


def _refuse_integers(module: nn.Module) -> None:
    """Refuses integers: they may be quantized weights, and cannot be marked as not drawn."""
    kinds = {key: p for key, p in module.named_parameters() if not p.is_floating_point()}
    left = [key for key, p in kinds.items() if not p.is_complex()]
    if left:
        raise UntrainedError(
            f"{type(module).__name__}, whose parameters {', '.join(left[:3])} are integers",
            expected="real or complex parameters, which can be drawn again",
            todo="register integers that are not learned as buffers",
        )


def _draw_again(module: nn.Module, name: str, seed: int) -> None:
    """Draws the weights of a module and of all in it, children first."""
    made = _made_again(module, seed)
    if made is not None:
        module.load_state_dict(made.state_dict())
        return
    for child_name, child in module.named_children():
        _draw_again(child, f"{name}.{child_name}", seed)
    own = [key for key, _ in module.named_parameters(recurse=False)]
    if not own:
        return
    reset = _reset_method(module)
    if reset is None:
        raise UntrainedError(
            f"{type(module).__name__} `{name}`, which owns {', '.join(own)} and cannot reset them",
            expected="layers with a method reset_parameters()",
            todo="give it one that draws them as they were first drawn",
        )
    reset()


def _reset_method(module: nn.Module) -> Callable[[], object] | None:
    return next((getattr(module, n) for n in RESETS if callable(getattr(module, n, None))), None)


def _made_again(module: nn.Module, seed: int) -> nn.Module | None:
    """Returns a module made again from what it says it was made of; None if it does not say."""
    if isinstance(module, Network):
        return module.spec.build(seed=seed)
    # A module can only be of a library that is imported already.
    transformers, diffusers = sys.modules.get("transformers"), sys.modules.get("diffusers")
    if transformers is not None and isinstance(module, transformers.PreTrainedModel):
        return type(module)(deepcopy(module.config))
    if diffusers is not None and isinstance(module, diffusers.ModelMixin):
        return type(module).from_config(module.config)  # pyright: ignore[reportAttributeAccessIssue]
    return None


def _check_all_drawn(module: nn.Module) -> None:
    left = [key for key, p in module.named_parameters() if bool(torch.isnan(p).any())]
    if left:
        raise UntrainedError(
            f"{type(module).__name__}, whose parameters {', '.join(left[:3])} are not drawn again "
            "by any reset_parameters()",
            expected="methods that draw all parameters again",
            todo="give their layer one that does",
        )
