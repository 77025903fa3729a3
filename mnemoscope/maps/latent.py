"""Latent maps: an autoencoder's dynamics in its bottleneck.

With encoder `E` and decoder `D` the latent map is `f(h) = E(D(h))`. It is conjugate to the map
`g = D o E` of states wherever both are defined: `D f = g D` and `E g = f E`. So

    f(h) = h   implies   g(D(h)) = D(h),   and   g(x) = x   implies   f(E(x)) = E(x),

and the Jacobians there, `J_E J_D` and `J_D J_E`, have the same eigenvalues other than 0: the
attractors of both correspond, period for period. What differs is where an orbit begins and what
counts as near: `E(x)` may be an attractor of `f` though `x` is none of `g`, since `D(E(x))`, which
is, may differ from `x` by the reconstruction error (Fumero et al., arXiv 2505.22785).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.failures import failed
from mnemoscope.maps.halves import Halves, as_stage
from mnemoscope.maps.self_map import CONSTANTS, SelfMap
from mnemoscope.maps.wrapped import Output, chosen, is_parts, part_of, parts_of
from mnemoscope.nets.modules import eval_mode, in_single, state_device, state_dtype

DISTRIBUTION = "latent_dist"
"""Where the output of a variational encoder of `diffusers` has its distribution."""

CODES = ("latents", "latent")
"""Where other encoders of `diffusers` have their code."""

MEANS = ("mean", "mu", "loc", "z_mean")
"""What the mean is called where an encoder gives several things by name."""

SAMPLES = 3
"""Elements of what an encoder gives by place where the first is a sample: `(z, mean, variance)`."""


@dataclass(frozen=True)
class LatentOptions:
    """How an encoder and a decoder are used.

    Attributes:
        code: Which part of the encoder's output is the code: the name of an attribute or key, the
            place in a tuple, or a function of it. Default: a tensor is taken as it is, of a
            distribution and of a pair (mean, variance) the mean.
        output: Which part of the decoder's output is the reconstruction. Default: a tensor is taken
            as it is, and `sample` of an output of `diffusers`.
        scale: `(low, high)`: the model's values where the data's are 0 and 1. Default: the same.
        black_box: Only evaluate both, though they may have derivatives.
    """

    code: Output | None = None
    output: Output | None = None
    scale: tuple[float, float] = (0.0, 1.0)
    black_box: bool = False

    def __post_init__(self) -> None:
        low, high = self.scale
        if not low < high:
            raise MnemoscopeError(
                f"scale {low:g}, {high:g}",
                expected="the model's values where the data's are 0 and 1, the lower one first",
                todo="pass scale=(-1, 1) for a model of values from -1 to 1",
                field="scale",
            )


class Bottleneck(nn.Module):
    """Decodes codes and encodes what comes out; also each half by itself, for data."""

    def __init__(self, halves: Halves, options: LatentOptions) -> None:
        """Keeps both halves; in single precision where they have half of it."""
        super().__init__()
        self.encoder, self.decoder = in_single(halves.encoder), in_single(halves.decoder)
        self.options = options
        both = (self.encoder, self.decoder)
        known = all(bool(getattr(half, "differentiable", True)) for half in both)
        self.differentiable = known and not options.black_box

    def forward(self, h: Float[Tensor, "n *code"]) -> Float[Tensor, "n *code"]:
        """Returns the codes of what these codes decode to."""
        return self._code(self._decoded(h))

    def encoded(self, X: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *code"]:
        """Returns the codes of data."""
        low, high = self.options.scale
        return self._code(low + (high - low) * X)

    def decoded(self, h: Float[Tensor, "n *code"]) -> Float[Tensor, "n *shape"]:
        """Returns the data that codes stand for."""
        low, high = self.options.scale
        return (self._decoded(h) - low) / (high - low)

    def _code(self, x: Tensor) -> Tensor:
        return code_of(self.encoder(x), self.options.code, x)

    def _decoded(self, h: Tensor) -> Tensor:
        made, output = self.decoder(h), self.options.output
        if output is None and isinstance(getattr(made, "sample", None), Tensor):
            output = "sample"
        return chosen(made, output, h)


class LatentMap(SelfMap):
    """A self-map of codes that knows the data they stand for; made by `latent_map`.

    Attributes:
        data_shape: The shape of what a code decodes to, an example's.
    """

    data_shape: tuple[int, ...]

    @property
    def bottleneck(self) -> Bottleneck:
        """The encoder and the decoder."""
        found = self.stages[0]
        assert isinstance(found, Bottleneck)
        return found

    def encode(self, X: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *code"]:
        """Returns the codes of data, `(n, *shape)`.

        Raises:
            MnemoscopeError: these are no data of the encoder, or a code is not finite.
        """
        X = torch.as_tensor(X)
        if tuple(X.shape[1:]) != self.data_shape or X.ndim == 0:
            raise MnemoscopeError(
                f"data of shape {tuple(X.shape)}",
                expected=f"a batch (n, {', '.join(map(str, self.data_shape))})",
                todo="reshape them, or pass one example as x[None]",
                field="X",
            )
        codes = self._through(self.bottleneck.encoded, X)
        bad = (~torch.isfinite(codes).flatten(1).all(1)).nonzero()[:, 0]
        if len(bad):
            raise MnemoscopeError(
                f"an example, number {int(bad[0])}, whose code has NaN or infinity",
                expected="finite codes",
                todo="leave that example out, or check the encoder",
                field="X",
            )
        return codes

    def decode(self, H: Float[Tensor, "n *code"]) -> Float[Tensor, "n *shape"]:
        """Returns the data that codes stand for, `(n, *data_shape)`."""
        return self._through(self.bottleneck.decoded, self.batch(H))

    def _through(self, half: Callable[[Tensor], Tensor], Z: Tensor) -> Tensor:
        """Evaluates one half in parts that fit into the budget: half takes less than both."""
        size = self.batch_size(self.footprint.evaluate)
        with self.evaluating(), torch.no_grad():
            given = (part.detach().to(self.device, self.dtype) for part in Z.split(size))
            parts = [half(part.clone()) for part in given]
        return torch.cat(parts)


def latent_map(
    encoder: Callable[..., Any],
    decoder: Callable[..., Any],
    shape: Sequence[int] | None = None,
    options: LatentOptions | None = None,
    *,
    device: torch.device | str | None = None,
    budget: int | None = None,
    unit: float | None = None,
) -> LatentMap:
    """Makes the self-map `h -> E(D(h))` of codes.

    Args:
        encoder: A module or callable from a batch of data `(n, *shape)` to codes `(n, *code)`.
        decoder: One from codes to data.
        shape: The shape of one example; default: that which the encoder states, or the one number
            of inputs of its first layer, if that is linear.
        options: Which part of their outputs is meant, and the scale; default: `LatentOptions()`.
        device: As of `SelfMap`.
        budget: As of `SelfMap`.
        unit: The scale of the codes; default: the range of the encoded examples.

    Raises:
        MnemoscopeError: one cannot be called, the shape is not known, codes are drawn at random or
            are whole numbers, or what the decoder gives is nothing the encoder takes.

    Example:
        >>> f = latent_map(lambda x: x[:, :1], lambda h: h.expand(-1, 3) / 2, shape=(3,))
        >>> f.shape, f(torch.ones(1, 1)), f.decode(torch.ones(1, 1))
        ((1,), tensor([[0.5000]]), tensor([[0.5000, 0.5000, 0.5000]]))
    """
    for half in (encoder, decoder):
        if not callable(half):
            raise MnemoscopeError(
                f"a half of the class {type(half).__name__}, which cannot be called",
                expected="a module, or a callable of a batch",
                todo="pass both: mn.latent_map(model.encoder, model.decoder)",
            )
    halves, options = Halves(as_stage(encoder), as_stage(decoder)), options or LatentOptions()
    bottleneck, data_shape = Bottleneck(halves, options), _data_shape(encoder, shape)
    with eval_mode(bottleneck), torch.no_grad():
        code = _some_code(bottleneck, data_shape, device)
    f = LatentMap(
        bottleneck, tuple(code.shape[1:]), dtype=code.dtype, device=device, budget=budget, unit=unit
    )
    f.data_shape = data_shape
    return f


def code_of(made: Any, code: Output | None = None, given: Tensor | None = None) -> Tensor:
    """Returns the code in what an encoder gives: a tensor, or the mean of a distribution.

    Raises:
        MnemoscopeError: it is not known which part is the code, or the codes are whole numbers.
    """
    found = chosen(made, code, given) if code is not None else _mean_of(made)
    if not isinstance(found, Tensor):
        raise MnemoscopeError(
            f"an encoder that gives a {type(made).__name__}{parts_of(made)}",
            expected="a tensor, a distribution, or a pair (mean, variance)",
            todo="name the part that is the mean of the code: LatentOptions(code=0), --code 0"
            if is_parts(made)
            else "wrap the encoder in a function that returns the code alone",
            field="code",
        )
    if not found.is_floating_point():
        raise MnemoscopeError(
            f"an encoder whose codes are of {found.dtype}",
            expected="codes of real numbers: between whole ones there is no orbit",
            todo="name the part before they are rounded to a codebook: LatentOptions(code=...), "
            "--code",
            field="code",
        )
    return found


def _mean_of(made: Any) -> Any:
    """Returns the mean in what an encoder gives; None where it is not known."""
    if isinstance(made, Tensor):
        return made
    if isinstance(made, Distribution):
        return made.mean
    distribution = part_of(made, DISTRIBUTION)
    if distribution is not None:
        return distribution.mean
    for name in (*CODES, *MEANS):
        if isinstance(part := part_of(made, name), Tensor):
            return part
    if isinstance(made, Sequence) and len(made) < SAMPLES and all(_alike(made[0], z) for z in made):
        return made[0]
    return None


def _alike(one: Any, other: Any) -> bool:
    return isinstance(one, Tensor) and isinstance(other, Tensor) and one.shape == other.shape


def _data_shape(encoder: object, shape: Sequence[int] | None) -> tuple[int, ...]:
    stated = shape if shape is not None else getattr(encoder, "shape", None)
    if stated is None and isinstance(encoder, nn.Module):
        first = next((m for m in encoder.modules() if list(m.parameters(recurse=False))), None)
        stated = (first.in_features,) if isinstance(first, nn.Linear) else None
    sides = None if stated is None else tuple(stated)
    if sides is None or len(sides) == 0 or any(int(side) < 1 for side in sides):
        raise MnemoscopeError(
            "an encoder that does not state the shape of its data"
            if sides is None
            else f"shape={shape}",
            expected="the shape of one example, each side at least 1",
            todo="pass it: mn.latent_map(encoder, decoder, shape=(3, 64, 64)), --shape 3,64,64",
            field="shape",
        )
    return tuple(int(side) for side in sides)


def _some_code(
    bottleneck: Bottleneck, data_shape: tuple[int, ...], device: torch.device | str | None
) -> Float[Tensor, "1 *code"]:
    """Returns the code of a constant example; refuses halves that do not fit or draw at random."""
    dtype, place = state_dtype([bottleneck], None), state_device([bottleneck], device)
    error: Exception | None = None
    for value in CONSTANTS:
        x = torch.full((1, *data_shape), value, dtype=dtype, device=place)
        try:
            code, again = bottleneck.encoded(x.clone()), bottleneck.encoded(x.clone())
        except MnemoscopeError:
            raise
        except Exception as failure:
            error = error or failure
            continue
        if code.ndim < 2 or len(code) != 1:
            raise MnemoscopeError(
                f"an encoder that gives codes of shape {tuple(code.shape)} for one example",
                expected="a batch (1, *code), each example with a code of its own",
                todo="let it keep the batch's dimension",
            )
        if not torch.equal(code, again):
            raise MnemoscopeError(
                "an encoder that gives another code at each call",
                expected="one code for an example: the mean, not a sample",
                todo="name the mean in what it gives, LatentOptions(code=...), --code, or call "
                ".eval() on the model",
                field="code",
            )
        _refuse_unfit(bottleneck, code, x)
        return code
    assert error is not None
    raise failed((1, *data_shape), error) from error


def _refuse_unfit(bottleneck: Bottleneck, code: Tensor, x: Tensor) -> None:
    """Refuses a decoder whose output is nothing that the encoder was given."""
    try:
        state = bottleneck.decoded(code.clone())
    except MnemoscopeError:
        raise
    except Exception as error:
        raise MnemoscopeError(
            f"a decoder that fails on codes of shape {tuple(code.shape)}: "
            f"{type(error).__name__}: {error}",
            expected="a decoder of what the encoder gives",
            todo="check that both belong together",
            field="decoder",
        ) from error
    if state.shape != x.shape:
        raise MnemoscopeError(
            f"a decoder that gives {tuple(state.shape)} for the code of data {tuple(x.shape)}",
            expected="data of the shape that the encoder takes",
            todo="check that both belong together, or pass the shape of one example",
            field="decoder",
        )
