"""Latent maps: an autoencoder's dynamics in its bottleneck.

With encoder `E` and decoder `D` the latent map is `f(h) = E(D(h))`. It is conjugate to the map
`g = D o E` of states wherever both are defined: `D f = g D` and `E g = f E`. So

    f(h) = h   implies   g(D(h)) = D(h),   and   g(x) = x   implies   f(E(x)) = E(x),

and the Jacobians there, `J_E J_D` and `J_D J_E`, have the same eigenvalues other than 0: the
attractors of both correspond, period for period. What differs is where an orbit begins and what
counts as near: `E(x)` may be an attractor of `f` though `x` is none of `g`, since `D(E(x))`, which
is, may differ from `x` by the reconstruction error (Fumero et al., arXiv 2505.22785).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.maps.derivatives import UNSEEN, Footprint
from mnemoscope.maps.failures import MapFailedError
from mnemoscope.maps.halves import Halves, as_stage
from mnemoscope.maps.live_memory import is_memory
from mnemoscope.maps.self_map import CONSTANTS, SelfMap
from mnemoscope.maps.wrapped import Output, chosen, is_parts, part_of, parts_of
from mnemoscope.nets.modules import eval_mode, in_single, state_device, state_dtype

Half = Literal["encoder", "decoder"]

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
        try:
            low, high = map(float, self.scale)
        except (TypeError, ValueError):
            low, high = math.nan, math.nan
        if not -math.inf < low < high < math.inf:
            raise MnemoscopeError(
                f"scale={self.scale!r}",
                expected="the model's values where the data's are 0 and 1, two finite numbers, the "
                "lower one first",
                todo="pass scale=(-1, 1) for a model of values from -1 to 1",
                field="scale",
            )


class Bottleneck(nn.Module):
    """Decodes codes and encodes what comes out; also each half by itself, for data."""

    def __init__(self, halves: Halves, options: LatentOptions, data_shape: tuple[int, ...]) -> None:
        """Keeps both halves; in single precision where they have half of it."""
        super().__init__()
        self.data_shape = data_shape
        self.encoder, self.decoder = in_single(halves.encoder), in_single(halves.decoder)
        self.options = options
        both = (self.encoder, self.decoder)
        known = all(bool(getattr(half, "differentiable", True)) for half in both)
        self.differentiable = known and not options.black_box

    def forward(self, h: Float[Tensor, "n *code"]) -> Float[Tensor, "n *code"]:
        """Returns the codes of what these codes decode to."""
        # An encoder may change its input in place, and a decoder may give what it keeps.
        return self._code(self._decoded(h).clone())

    def encoded(self, X: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *code"]:
        """Returns the codes of data."""
        low, high = self.options.scale
        return self._code(low + (high - low) * X)

    def decoded(self, h: Float[Tensor, "n *code"]) -> Float[Tensor, "n *shape"]:
        """Returns the data that codes stand for."""
        low, high = self.options.scale
        return (self._decoded(h) - low) / (high - low)

    def _code(self, x: Tensor) -> Tensor:
        return code_of(self.encoder(x), self.options.code)

    def _decoded(self, h: Tensor) -> Tensor:
        made, output = self.decoder(h), self.options.output
        if output is None and isinstance(getattr(made, "sample", None), Tensor):
            output = "sample"
        return chosen(made, output, h)


class LatentMap(SelfMap):
    """A self-map of codes that knows the data they stand for; made by `latent_map`."""

    @property
    def bottleneck(self) -> Bottleneck:
        """The encoder and the decoder."""
        found = self.stages[0]
        assert isinstance(found, Bottleneck)
        return found

    @property
    def data_shape(self) -> tuple[int, ...]:
        """The shape of what a code decodes to, an example's."""
        return self.bottleneck.data_shape

    @property
    def footprint(self) -> Footprint:
        """The memory that one code takes: of a map that is only evaluated, by the data's size."""
        if self.differentiable:
            return super().footprint
        return Footprint(UNSEEN * max(self.size, self._data_size) * self.dtype.itemsize)

    def __matmul__(self, inner: SelfMap) -> SelfMap:
        """Composes as any self-map; the result is a map of codes without halves of its own."""
        outer = SelfMap.__new__(SelfMap)
        vars(outer).update(vars(self))
        return outer @ inner

    @property
    def _data_size(self) -> int:
        return torch.Size(self.data_shape).numel()

    def encode(self, X: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *code"]:
        """Returns the codes of data, `(n, *shape)`.

        Raises:
            MnemoscopeError: these are no data of the encoder, or a code is not finite.
        """
        try:
            X = torch.as_tensor(X)
        except (TypeError, ValueError, RuntimeError) as error:
            raise self._no_data(f"a {type(X).__name__} ({first_line(error)})") from error
        if X.ndim == 0 or tuple(X.shape[1:]) != self.data_shape:
            raise self._no_data(f"data of shape {tuple(X.shape)}")
        if X.is_complex():
            raise self._no_data(f"data of {X.dtype}")
        codes = self._through("encoder", X, self.shape)
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
        return self._through("decoder", self.batch(H), self.data_shape)

    def _no_data(self, given: str) -> MnemoscopeError:
        """Returns the error for what is no batch of data."""
        return MnemoscopeError(
            given,
            expected=f"real numbers of shape (n, {', '.join(map(str, self.data_shape))})",
            todo="reshape them, or pass one example as x[None]",
            field="X",
        )

    def _through(self, half: Half, Z: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Evaluates one half in parts that fit into the budget: half takes less than both."""
        copies = 4 * self._data_size * self.dtype.itemsize
        size = self.batch_size(max(copies, self.footprint.evaluate))
        parts = []
        with self.evaluating(), torch.no_grad():
            for part in Z.split(size):
                given = part.detach().to(self.device, self.dtype, copy=True)
                made = _made(self.bottleneck, half, given)
                _refuse_shape(made, (len(part), *shape), tuple(given.shape))
                parts.append(made)
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
    bottleneck = Bottleneck(halves, options, _data_shape(encoder, shape))
    with eval_mode(bottleneck), torch.no_grad():
        code = _some_codes(bottleneck, device)
    return LatentMap(
        bottleneck, tuple(code.shape[1:]), dtype=code.dtype, device=device, budget=budget, unit=unit
    )


def code_of(made: Any, code: Output | None = None) -> Tensor:
    """Returns the code in what an encoder gives: a tensor, or the mean of a distribution.

    Raises:
        MnemoscopeError: it is not known which part is the code, or the codes are no real numbers.
    """
    part = made if code is None else part_of(made, code)
    found = _mean_of(part)
    if not isinstance(found, Tensor):
        named = "" if code is None else f", and no code in its part {code!r}"
        raise MnemoscopeError(
            f"an encoder that gives a {type(made).__name__}{parts_of(made)}{named}",
            expected="a tensor, a distribution with a mean, or a pair (mean, variance)",
            todo="say which part is the mean of the code, LatentOptions(code=...): its name, its "
            "place or a function of what the encoder gives"
            if is_parts(made)
            else "wrap the encoder in a function that returns the code alone",
            field="code",
        )
    if not found.is_floating_point():
        raise MnemoscopeError(
            f"an encoder whose codes are of {found.dtype}",
            expected="codes of real numbers: between others there is no orbit",
            todo="name another part of what it gives, LatentOptions(code=...); of a codebook the "
            "part before it",
            field="code",
        )
    return found


def _mean_of(made: Any) -> Any:
    """Returns the mean in what an encoder gives; None where it is not known."""
    if isinstance(made, Tensor):
        return made
    if isinstance(made, Distribution):
        try:
            return made.mean
        except NotImplementedError:
            return None
    distribution = part_of(made, DISTRIBUTION)
    if distribution is not None:
        return distribution.mean
    for name in (*CODES, *MEANS):
        if isinstance(part := part_of(made, name), Tensor):
            return part
    pair = isinstance(made, Sequence) and 0 < len(made) < SAMPLES
    return made[0] if pair and all(_alike(made[0], z) for z in made) else None


def _alike(one: Any, other: Any) -> bool:
    return isinstance(one, Tensor) and isinstance(other, Tensor) and one.shape == other.shape


def _made(bottleneck: Bottleneck, half: Half, given: Tensor) -> Tensor:
    """Returns what a half gives, or the error for one that raises."""
    encodes = half == "encoder"
    try:
        return bottleneck.encoded(given) if encodes else bottleneck.decoded(given)
    except MnemoscopeError:
        raise
    except (Exception, SystemExit) as error:
        if is_memory(error):
            raise
        article, what = ("an", "data") if encodes else ("a", "codes")
        raise MapFailedError(
            f"{article} {half} that fails on {what} of shape {tuple(given.shape)} and {given.dtype}"
            f": {type(error).__name__}: {first_line(error)}",
            expected="an encoder and a decoder that belong together, and data of the encoder's",
            todo="check shape and dtype of the data, and of what the encoder gives",
            field=half,
        ) from error


def _refuse_shape(made: Tensor, expected: tuple[int, ...], given: tuple[int, ...]) -> None:
    if tuple(made.shape) != expected:
        raise MnemoscopeError(
            f"a half that gives {tuple(made.shape)} for a batch of shape {given}",
            expected=f"shape {expected}, one for each of the batch",
            todo="check which axis of its output is that of the batch",
        )


def _data_shape(encoder: object, shape: Sequence[int] | None) -> tuple[int, ...]:
    stated: Any = shape if shape is not None else getattr(encoder, "shape", None)
    if stated is None and isinstance(encoder, nn.Module):
        first = next((m for m in encoder.modules() if list(m.parameters(recurse=False))), None)
        stated = (first.in_features,) if isinstance(first, nn.Linear) else None
    sides = tuple(stated) if isinstance(stated, Sequence) and not isinstance(stated, str) else ()
    if not sides or not all(isinstance(side, int) and side >= 1 for side in sides):
        raise MnemoscopeError(
            "an encoder that does not state the shape of its data"
            if shape is None
            else f"shape={shape!r}",
            expected="the shape of one example: whole numbers of at least 1",
            todo="pass it: mn.latent_map(encoder, decoder, shape=(3, 64, 64))",
            field="shape",
        )
    return sides


def _some_codes(
    bottleneck: Bottleneck, device: torch.device | str | None
) -> Float[Tensor, "2 *code"]:
    """Returns the codes of two constant examples; refuses halves that do not fit.

    Two, since what takes another axis for that of the batch shows with one example only.
    """
    dtype, place = state_dtype([bottleneck], None), state_device([bottleneck], device)
    error: MnemoscopeError | None = None
    for value in CONSTANTS:
        x = torch.full((2, *bottleneck.data_shape), value, dtype=dtype, device=place)
        x[1] = 0.25
        try:
            codes, again = (_made(bottleneck, "encoder", x.clone()) for _ in range(2))
            _refuse_codes(codes, again, x)
            state = _made(bottleneck, "decoder", codes.clone())
        except MapFailedError as failure:
            error = error or failure
            continue
        if tuple(state.shape) != tuple(x.shape):
            raise MnemoscopeError(
                f"a decoder that gives {tuple(state.shape)} for the codes of data {tuple(x.shape)}",
                expected="data of the shape that the encoder takes",
                todo="check that both belong together, or pass the shape of one example",
                field="decoder",
            )
        return codes
    assert error is not None
    raise error


def _refuse_codes(codes: Tensor, again: Tensor, x: Tensor) -> None:
    """Refuses codes that are none for each example, or that are drawn at random."""
    if codes.ndim < 2 or len(codes) != len(x):
        raise MnemoscopeError(
            f"an encoder that gives codes of shape {tuple(codes.shape)} for {len(x)} examples",
            expected=f"a batch ({len(x)}, *code), each example with a code of its own",
            todo="check which axis of its output is that of the batch",
            field="encoder",
        )
    if not bool(torch.isfinite(codes).any()):
        raise MapFailedError(
            "an encoder whose codes are all NaN or infinite",
            expected="finite codes",
            todo="check its weights",
            field="encoder",
        )
    if codes.shape != again.shape or not torch.equal(codes.nan_to_num(), again.nan_to_num()):
        raise MnemoscopeError(
            "an encoder that gives another code at each call",
            expected="one code for an example: the mean, not a sample",
            todo="name the mean in what it gives, LatentOptions(code=...), or call .eval() on the "
            "model",
            field="code",
        )
