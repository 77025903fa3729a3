"""Regressors of scikit-learn that were fitted with `fit(X, X)`: the map is `predict`.

A multilayer perceptron, and what pipelines and transformed targets put around it, is written as a
module with derivatives. With scalers `s` before it and `t` of its target, both affine,

    predict(z) = t^-1(net(s(z)))

so the scaling is part of the map. The module is compared with `predict` before it is used; whatever
else predicts is only evaluated.
"""

import importlib
import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.adapters.factory import ObjectAdapter, is_instance
from mnemoscope.maps.black_box import BlackBox

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "exp": torch.exp,
}
"""The library's names of activations; `exp` is the last one with a Poisson loss."""

SCALERS = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler")

TRIED = 16
"""Random states at which the module is compared with `predict`."""

ROUNDINGS = 1e4
"""Roundings of the dtype, in shares of the largest entry, by which the two may differ: sums of some
thousand terms are formed in another order."""

log = logging.getLogger("mnemoscope")


class ScikitLearn(ObjectAdapter):
    """A fitted regressor from features to features, alone or in pipelines and searches."""

    classes = ("sklearn.base:BaseEstimator",)

    def adapt(self, model: Any, request: Request) -> Loaded:
        """Writes `predict` as a module where all parts are known, else as a black box."""
        shape = (_features(model, request),)
        try:
            module = Written(_written(model))
        except _Unknown as part:
            log.warning(
                "%s: %s has no derivatives here: its predict is only evaluated",
                request.target,
                part,
            )
            return Loaded(BlackBox(lambda z: _predicted(model, z)), shape)
        if not _agrees(module, model, shape):
            log.warning(
                "%s: written as a module it differs from its predict, which is only evaluated",
                request.target,
            )
            return Loaded(BlackBox(lambda z: _predicted(model, z)), shape)
        return Loaded(module, shape)


class _Unknown(Exception):
    """A part that is not written as a module."""


class Written(nn.Module):
    """Steps that were applied by `predict`, one after the other."""

    def __init__(self, steps: list[nn.Module]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Returns the prediction."""
        for step in self.steps:
            z = step(z)
        return z


class Affine(nn.Module):
    """`z -> (z - shift) / scale`, or back; then clipped, where a scaler does that."""

    def __init__(
        self,
        shift: Float[np.ndarray, " d"],
        scale: Float[np.ndarray, " d"],
        *,
        back: bool = False,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", _tensor(shift))
        self.register_buffer("scale", _tensor(scale))
        self.back, self.bounds = back, bounds

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Returns the states in the other units."""
        # A scaler may have been fitted in another precision than the regressor.
        shift, scale = self.shift.to(z.dtype), self.scale.to(z.dtype)
        if self.back:
            return z * scale + shift
        z = (z - shift) / scale
        return z if self.bounds is None else z.clamp(*self.bounds)


class Dense(nn.Module):
    """One layer of a perceptron."""

    def __init__(
        self,
        weight: Float[np.ndarray, "a b"],
        bias: Float[np.ndarray, " b"],
        activation: str,
        hidden: str,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(_tensor(weight))
        self.bias = nn.Parameter(_tensor(bias))
        self.activation, self.hidden = activation, hidden

    def forward(self, z: Float[Tensor, "n a"]) -> Float[Tensor, "n b"]:
        """Returns `activation(z W + b)`."""
        return ACTIVATIONS[self.activation](z.to(self.weight.dtype) @ self.weight + self.bias)

    def reset_parameters(self) -> None:
        """Draws fresh weights and biases as the library does: uniform, with Glorot's bound."""
        factor = 2 if self.hidden == "logistic" else 6
        bound = math.sqrt(factor / sum(self.weight.shape))
        with torch.no_grad():
            self.weight.uniform_(-bound, bound)
            self.bias.uniform_(-bound, bound)


def _features(model: Any, request: Request) -> int:
    """Entries of a state."""
    if not hasattr(model, "predict"):
        raise MnemoscopeError(
            f"{request.target}, which has no predict",
            expected="a regressor that was fitted with fit(X, X)",
            todo="hand over what reconstructs as a function: "
            "mn.BlackBox(lambda z: model.inverse_transform(model.transform(z)))",
        )
    try:
        return int(model.n_features_in_)
    except AttributeError as error:
        raise MnemoscopeError(
            f"{request.target}, which is not fitted",
            expected="a fitted model",
            todo="call fit(X, X) first",
        ) from error


def _written(model: Any) -> list[nn.Module]:
    """Returns the steps of a predictor."""
    if is_instance(model, "sklearn.pipeline", "Pipeline"):
        parts = [step for _, step in model.steps if step is not None and step != "passthrough"]
        before = [step for part in parts[:-1] for step in _scaling(part)]
        return [*before, *_written(parts[-1])]
    if is_instance(model, "sklearn.compose", "TransformedTargetRegressor"):
        return [*_written(model.regressor_), *_scaling(model.transformer_, back=True)]
    if is_instance(model, "sklearn.model_selection._search", "BaseSearchCV"):
        return _written(model.best_estimator_)
    # A class derived from it may predict something else.
    if type(model).__name__ != "MLPRegressor" or not is_instance(
        model, "sklearn.neural_network", "MLPRegressor"
    ):
        raise _Unknown(type(model).__name__)
    kinds = [model.activation] * (len(model.coefs_) - 1) + [model.out_activation_]
    unknown = [kind for kind in kinds if kind not in ACTIVATIONS]
    if unknown:
        raise _Unknown(f"the activation {unknown[0]}")
    parts = zip(model.coefs_, model.intercepts_, kinds, strict=True)
    return [Dense(weight, bias, kind, model.activation) for weight, bias, kind in parts]


def _scaling(part: Any, *, back: bool = False) -> list[nn.Module]:
    """Returns a fitted scaler as a step, or its inverse."""
    name = type(part).__name__
    if is_instance(part, "sklearn.pipeline", "Pipeline"):
        steps = [step for _, step in part.steps if step is not None and step != "passthrough"]
        return [s for p in (reversed(steps) if back else steps) for s in _scaling(p, back=back)]
    if name == "FunctionTransformer" and part.func is None and part.inverse_func is None:
        return []
    if name not in SCALERS or not is_instance(part, "sklearn.preprocessing", name):
        raise _Unknown(name)
    shift, scale = np.zeros(part.n_features_in_), np.ones(part.n_features_in_)
    bounds = None
    if name == "StandardScaler":
        shift = shift if not part.with_mean else part.mean_
        scale = scale if not part.with_std else part.scale_
    elif name == "RobustScaler":
        shift = shift if not part.with_centering else part.center_
        scale = scale if not part.with_scaling else part.scale_
    elif name == "MinMaxScaler":
        # It multiplies by its scale and adds: z scale_ + min_.
        shift, scale = -part.min_ / part.scale_, 1 / part.scale_
        bounds = tuple(part.feature_range) if part.clip else None
    else:
        scale = part.scale_
        bounds = (-1.0, 1.0) if getattr(part, "clip", False) else None
    return [Affine(shift, scale, back=back, bounds=bounds)]


def _predicted(model: Any, z: np.ndarray) -> np.ndarray:
    names = getattr(model, "feature_names_in_", None)
    # What was fitted to a table with names may choose columns by these.
    given = z if names is None else _table(z, names)
    # Of a single feature the library gives no column.
    return np.asarray(model.predict(given)).reshape(len(z), -1)


def _table(z: np.ndarray, names: Any) -> Any:
    """Returns the states as a table; as they are where there is no pandas, as after polars."""
    try:
        pandas: Any = importlib.import_module("pandas")
    except ImportError:
        return z
    return pandas.DataFrame(z, columns=names)


def _agrees(module: Written, model: Any, shape: tuple[int, ...]) -> bool:
    """Returns whether module and library agree, near the data and far from them."""
    generator = np.random.default_rng(0)
    states = generator.standard_normal((TRIED, *shape)) * np.logspace(-1, 1, TRIED)[:, None]
    first = next((p for p in module.parameters()), None)
    dtype = torch.float64 if first is None else first.dtype
    with torch.no_grad():
        ours = module(torch.from_numpy(states).to(dtype)).double().numpy()
    theirs = _predicted(model, states.astype(str(dtype).removeprefix("torch.")))
    if ours.shape != theirs.shape:
        return False
    error = np.abs(ours - theirs).max(initial=0)
    return bool(error <= ROUNDINGS * torch.finfo(dtype).eps * np.abs(theirs).max(initial=1e-300))


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array))
