"""Errors of the user's map, in words that say what to do: the advice depends on the error."""

import re

from mnemoscope.base.errors import MnemoscopeError, first_line

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
