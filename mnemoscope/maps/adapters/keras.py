"""Models of Keras 3: differentiable with its PyTorch backend, otherwise only evaluated.

A model is called in inference mode, in the precision that it computes in. Its file is not read
here: a configuration of Keras names classes to be imported and called.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import is_name, needed_for
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.adapters.factory import ObjectAdapter

FILES = (".keras", ".h5")
"""How the files are called that the library writes models to."""


class Keras(ObjectAdapter):
    """A live `keras.Model` of one input; its states are as the model takes them, channels last."""

    classes = ("keras:Model",)

    def recognizes(self, target: str) -> bool:
        """Returns a file of the library, to say how it is to be loaded."""
        return target.endswith(FILES) and Path(target).is_file()

    def load(self, request: Request) -> Loaded:
        """Loads what a factory returns; a file is refused."""
        if not is_name(request.target):
            raise MnemoscopeError(
                f"{request.target}, a model of Keras, whose file can name code to be run",
                expected="a function that loads it, if you trust it",
                todo=f"write def load(): return keras.saving.load_model({request.target!r}) in a "
                "file mine.py, and name that: mine:load",
            )
        return super().load(request)

    def adapt(self, model: Any, request: Request) -> Loaded:
        """Calls the model in inference mode."""
        inputs = getattr(model, "inputs", None)
        if inputs and len(inputs) != 1:
            raise MnemoscopeError(
                f"{request.target}, a model of {len(inputs)} inputs",
                expected="a model of one input",
                todo="fix the others in a function of your own: package.module:factory",
            )
        shape = tuple(inputs[0].shape[1:]) if inputs else ()
        known = bool(shape) and all(isinstance(side, int) for side in shape)
        return Loaded(OfKeras(model), shape if known else None)


class OfKeras:
    """A model of Keras as a callable of tensors; all that it gives becomes tensors.

    Attributes:
        differentiable: Whether the backend is PyTorch, so that its derivatives can be taken.
    """

    def __init__(self, model: Callable[..., Any]) -> None:
        self.model = model
        library: Any = needed_for("a model", "keras", extra="keras")
        self._tree, self._ops = library.tree, library.ops
        self.differentiable = library.backend.backend() == "torch"

    def __call__(self, z: Tensor) -> Any:
        """Evaluates the model in inference mode, in the dtype and on the device of the states."""
        dtype = str(getattr(self.model, "compute_dtype", "float32"))
        if z.dtype == torch.float64 and dtype != "float64":
            raise MnemoscopeError(
                f"states of float64 for a model of Keras that computes in {dtype}",
                expected="float32 states",
                todo="build the model after keras.config.set_dtype_policy('float64')",
            )
        given = z if self.differentiable else z.detach().cpu().numpy()
        made = self.model(given, training=False)
        return self._tree.map_structure(lambda part: self._as_tensor(part, z), made)

    def _as_tensor(self, part: Any, z: Tensor) -> Tensor:
        if isinstance(part, Tensor):
            return part.to(z.device, z.dtype)
        # A copy: an array of a backend may be read-only.
        return torch.from_numpy(np.array(self._ops.convert_to_numpy(part))).to(z.device, z.dtype)
