"""Errors of the user's map, in words that say what to do: the advice depends on the error."""

import re
from collections.abc import Iterator
from math import prod

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.maps.layout import Shape, candidates

_DTYPE = re.compile(r"same dtype|expected scalar type|but found|should be the same|dtype mismatch")

_ARRAY_LIBRARIES = ("numpy", "sklearn", "jax", "jaxlib", "scipy", "tensorflow", "keras", "pyod")

_ARRAYS = re.compile(
    r"numpy|ndarray|array-like|'Tensor' object has no attribute|not a valid JAX type|"
    r"argument 'input'"
)

ARRAYS = "mn.SelfMap(mn.BlackBox(f), shape)"
"""How a function of arrays becomes a map."""


class MapFailedError(MnemoscopeError):
    """A map raised for a batch; what it raised is the cause."""


def failed(shape: tuple[int, ...], error: BaseException) -> MapFailedError:
    """Builds the error for a map that raised, from what it raised."""
    reason = first_line(error)
    expected, todo = _advice(error)
    return MapFailedError(
        f"a map that fails on a batch of shape {shape}: {type(error).__name__}: {reason}",
        expected=expected,
        todo=todo,
    )


def _advice(error: BaseException) -> tuple[str, str]:
    words = str(error)
    if _DTYPE.search(words):
        if re.search(r"Half|BFloat16|float16", words, re.IGNORECASE):
            return (
                "a map that takes float32 states",
                "pass the module itself, which is computed in float32, or convert it with .float()",
            )
        if re.search(r"double|float64", words, re.IGNORECASE):
            return (
                "states of the dtype that the map computes in",
                "pass it: mn.SelfMap(f, shape, dtype=torch.float64)",
            )
    library = type(error).__module__.partition(".")[0]
    if library in _ARRAY_LIBRARIES or (
        isinstance(error, TypeError | AttributeError | RuntimeError) and _ARRAYS.search(words)
    ):
        return (
            "a map of PyTorch tensors",
            f"hand a function of NumPy arrays over as a black box: {ARRAYS}; a model of a known "
            "library: mn.load_map(f, shape=…)",
        )
    return (
        "a map from (n, *shape) to (n, *shape), of any values",
        "check `shape`, wrap the map so that it takes such a batch, or say which values it takes: "
        "domain=(0, None), --domain 0,",
    )


FLATTEN = "mn.Wrapped(model, flatten=True), --flatten"
"""How a model of flat states becomes a map of others."""


def gives_flat(given: tuple[int, ...], made: tuple[int, ...]) -> MnemoscopeError:
    """Builds the error for a map whose output is the input's shape but for a reshape."""
    what = "flat states" if len(made) == 2 else "the same entries in another shape"
    return MnemoscopeError(
        f"a map from {given} to {made}: it gives {what}",
        expected="an output of its input's shape",
        todo=f"let it be reshaped: {FLATTEN}",
    )


def other_layouts(shape: Shape) -> Iterator[tuple[Shape, str]]:
    """Yields other shapes of such states that a model may take, and how it is then to be used."""
    flat = (prod(shape),)
    for other in candidates(shape):
        if other != flat:
            yield other, f"reshape the data to {_batch(other)}"
    if len(shape) > 1:
        yield (*shape[1:], shape[0]), "mn.Wrapped(model, channels_last=True), --channels-last"
        yield flat, f"let the states be flattened: {FLATTEN}"


def takes_other(error: MapFailedError, shape: Shape, taken: Shape, way: str) -> MapFailedError:
    """Builds the error for a map that fails on its states, and takes them in another layout."""
    cause = error.__cause__ or error
    reason = first_line(cause)
    what = "flat states " if len(taken) == 1 else ""
    return MapFailedError(
        f"a map that takes {what}{_batch(taken)} and fails on {_batch(shape)} "
        f"({type(cause).__name__}: {reason})",
        expected=f"a map from {_batch(shape)} to {_batch(shape)}",
        todo=way,
    )


def not_taken(error: MapFailedError, name: str, shape: Shape, own: Shape) -> MnemoscopeError:
    """Builds the error for a model that does not take states of another shape than its own."""
    return MnemoscopeError(
        f"{name} for states {shape}: {error.given}",
        expected=f"states that it takes; its own shape is {own}",
        todo=f"bring the data to that shape, or {error.todo}",
    )


def _batch(shape: Shape) -> str:
    return f"(n, {', '.join(map(str, shape))})"
