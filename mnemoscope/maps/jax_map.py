"""A function of JAX arrays as a map of tensors with derivatives; arrays pass through DLPack.

Three PyTorch operations correspond to three of JAX: the values `f(z)`, the pullback
`u -> J(z)^T u` by `jax.vjp`, and the pushforward `v -> J(z) v` by `jax.jvp`. The pullback is linear
in `u`, and its derivative by `u` is the pushforward, so there are products in both directions.
Derivatives of second order, by `z` again, are NaN.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import needed_for
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.wrapped import part_of, parts_of

Made = Callable[..., Any]


class JaxMap:
    """A function of JAX arrays as a callable of tensors.

    It is compiled for batches of 1, 2, 4, … states; others are filled up. States of float64 need
    `jax.config.update("jax_enable_x64", True)`.
    As in `mn.spectral_radius(mn.SelfMap(JaxMap(lambda z: jnp.tanh(z @ W)), (6,)), X)`.
    """

    def __init__(self, function: Made) -> None:
        jax: Any = needed_for("a model", "jax", extra="flax")
        self._jax = jax
        self.values: Made = jax.jit(function)
        self.pullback: Made = jax.jit(lambda z, u: jax.vjp(function, z)[1](u)[0])
        self.pushforward: Made = jax.jit(lambda z, v: jax.jvp(function, (z,), (v,))[1])

    def __call__(self, z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Returns the images, in the dtype and on the device of the states."""
        return _Values.apply(z, self)

    def evaluated(self, function: Made, *batches: Tensor) -> Tensor:
        """Compiles the function for batches of one size."""
        first = batches[0]
        if first.dtype == torch.float64 and not self._jax.config.jax_enable_x64:
            raise MnemoscopeError(
                "states of float64 for a function of JAX, which computes in float32",
                expected="float32 states, or JAX with float64",
                todo='switch it on before the model is built: jax.config.update("jax_enable_x64", '
                "True), or JAX_ENABLE_X64=1",
            )
        n = len(first)
        if n == 0:
            return first.clone()
        arrays = [self._jax.dlpack.from_dlpack(_filled(batch)) for batch in batches]
        try:
            made = function(*arrays)
            # It may still be computing, on memory that is PyTorch's.
            made = made.block_until_ready()
        except MnemoscopeError:
            raise
        except Exception as error:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        # A copy: arrays are not to be written to.
        return torch.from_dlpack(made)[:n].clone().to(first.device, first.dtype)


def _filled(batch: Tensor) -> Tensor:
    """Returns a batch filled up to a power of 2, so that few sizes are compiled."""
    missing = (1 << (len(batch) - 1).bit_length()) - len(batch)
    batch = batch.detach()
    if missing:
        batch = torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])])
    return batch.contiguous()


class _Values(Function):
    """`f(z)`."""

    @staticmethod
    def forward(z: Tensor, f: JaxMap) -> Tensor:
        return f.evaluated(f.values, z)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        z, ctx.f = inputs
        ctx.save_for_backward(z)
        ctx.save_for_forward(z)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (z,) = ctx.saved_tensors
        return _Product.apply(grads[0], z, ctx.f, True), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        (z,) = ctx.saved_tensors
        return _Product.apply(tangents[0], z, ctx.f, False)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        *batches, f = args
        return _merged(lambda z: _Values.apply(z, f), info, in_dims, *batches)


class _Product(Function):
    """`J(z) v`, or `J(z)^T v` if `transposed`: linear in `v`, and its derivative is the other."""

    @staticmethod
    def forward(v: Tensor, z: Tensor, f: JaxMap, transposed: bool) -> Tensor:
        return f.evaluated(f.pullback if transposed else f.pushforward, z, v)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        _, z, ctx.f, ctx.transposed = inputs
        ctx.save_for_backward(z)
        ctx.save_for_forward(z)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (z,) = ctx.saved_tensors
        pulled = _Product.apply(grads[0], z, ctx.f, not ctx.transposed)
        return pulled, torch.full_like(z, torch.nan), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        (z,) = ctx.saved_tensors
        return _Product.apply(tangents[0], z, ctx.f, ctx.transposed)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        *batches, f, transposed = args
        return _merged(lambda v, z: _Product.apply(v, z, f, transposed), info, in_dims, *batches)


def _merged(function: Made, info: Any, in_dims: Any, *batches: Tensor) -> tuple[Tensor, int]:
    """Returns a batch of batches as one batch: the map takes each state by itself."""
    k = info.batch_size
    whole = [
        batch.expand(k, *batch.shape) if dim is None else batch.movedim(dim, 0)
        for batch, dim in zip(batches, in_dims, strict=False)
    ]
    made = function(*(batch.flatten(0, 1) for batch in whole))
    return made.unflatten(0, (k, -1)), 0


def jax_map(function: Callable[[Any], Any], request: Request) -> Loaded:
    """Returns the map of a pure function of a batch, with the output that was asked for."""
    jax: Any = needed_for("a model", "jax", extra="flax")

    def reconstruction(z: Any) -> Any:
        made = function(z)
        found = part_of(made, request.output)
        if not isinstance(found, jax.Array):
            raise MnemoscopeError(
                f"{request.target}, which gives a {type(made).__name__}{parts_of(made)}",
                expected="an array",
                todo='name the part that is the reconstruction: output="image", --output 1',
            )
        return found

    return Loaded(JaxMap(reconstruction), takes_output=False)
