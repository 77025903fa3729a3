"""The two halves of an autoencoder: what encodes a state, and what decodes a code."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.spec import Network

ENDS_A_LAYER = "activation_"
"""How the module after which a network of `mnemoscope.nets` can be cut is named."""


@dataclass(frozen=True)
class Halves:
    """An encoder and a decoder, each a module or a callable of a batch."""

    encoder: Callable[..., Any]
    decoder: Callable[..., Any]


class Method(nn.Module):
    """A method of a module, as a module of its own that has its weights."""

    def __init__(self, module: nn.Module, function: Callable[..., Any]) -> None:
        """Takes the module, and the function that it is the first argument of."""
        super().__init__()
        self.module, self.function = module, function

    def forward(self, z: Any) -> Any:
        """Calls it."""
        return self.function(self.module, z)


def as_stage(half: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a half itself, a method of a module as a module that has its weights."""
    options: dict[str, Any] = {}
    method = half
    if isinstance(half, partial) and not half.args:
        method, options = half.func, half.keywords
    owner, function = (getattr(method, name, None) for name in ("__self__", "__func__"))
    if not isinstance(owner, nn.Module) or function is None:
        return half
    return Method(owner, partial(function, **options) if options else function)


def halves_of(model: object, encoder: str | None = None, decoder: str | None = None) -> Halves:
    """Finds the halves of a model.

    A network of `mnemoscope.nets` is cut at its narrowest layer. Any other model has methods
    `encode` and `decode`, or parts `encoder` and `decoder`, or parts of the names that are given,
    paths such as `model.enc`.

    Raises:
        MnemoscopeError: it has no such parts, or it cannot be cut.
    """
    if encoder is not None or decoder is not None:
        if encoder is None or decoder is None:
            raise MnemoscopeError(
                f"encoder={encoder!r} and decoder={decoder!r}",
                expected="the names of both halves",
                todo="pass both: encoder='enc', decoder='dec'",
                field="decoder" if decoder is None else "encoder",
            )
        named = (_part(model, encoder, "encoder"), _part(model, decoder, "decoder"))
        return Halves(*named)
    if isinstance(model, Network):
        return cut(model)
    for names in (("encode", "decode"), ("encoder", "decoder")):
        encode, decode = (getattr(model, name, None) for name in names)
        if callable(encode) and callable(decode):
            return Halves(as_stage(encode), as_stage(decode))
    raise MnemoscopeError(
        f"a {type(model).__name__} without an encoder and a decoder",
        expected="methods encode and decode, or parts encoder and decoder",
        todo="name its two halves: encoder='enc', decoder='dec'",
        field="encoder",
    )


def cut(net: Network) -> Halves:
    """Cuts a network of `mnemoscope.nets` after its narrowest layer, of equals the middle one.

    Raises:
        MnemoscopeError: it has one weight layer, or connections around its narrowest one.
    """
    body = net.body
    if not isinstance(body, nn.Sequential):
        raise MnemoscopeError(
            f"a {type(net.spec).__name__}, whose connections pass its narrowest layer",
            expected="a network whose state passes through each layer",
            todo="measure it in data space, or hand over an encoder and a decoder: "
            "mn.latent_map(encoder, decoder)",
        )
    layers = list(body.named_children())
    entries: dict[int, int] = {}
    z = torch.zeros(1, *net.shape, device="meta")
    # On the meta device: shapes alone.
    outline = net.spec.outline().body
    for place, ((name, _), layer) in enumerate(zip(layers, outline.children(), strict=True)):
        z = layer(z)
        if name.startswith(ENDS_A_LAYER):
            entries[place] = z.numel()
    # After the last weight layer comes the state itself.
    inner = list(entries)[:-1]
    if not inner:
        raise MnemoscopeError(
            "a network of one weight layer",
            expected="a network with a hidden layer",
            todo="measure it in data space",
        )
    fewest = min(entries[place] for place in inner)
    narrowest = [place for place in inner if entries[place] == fewest]
    after = narrowest[(len(narrowest) - 1) // 2] + 1
    return Halves(body[:after], body[after:])


def _part(model: object, path: str, which: str) -> Callable[..., Any]:
    """Returns the part of a model at a path of names."""
    found: Any = model
    *parents, last = path.split(".")
    for name in parents:
        found = getattr(found, name, None)
    part = getattr(found, last, None)
    if not callable(part):
        raise MnemoscopeError(
            f"a {type(model).__name__} without a part {path!r} that can be called",
            expected=f"the name of its {which}, a module or a method",
            todo=f"print the model, and pass the path of its {which}",
            field=which,
        )
    return as_stage(part)
