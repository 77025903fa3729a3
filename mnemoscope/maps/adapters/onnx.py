"""ONNX files, run by onnxruntime: evaluated only, without derivatives."""

from pathlib import Path
from typing import Any

import numpy as np

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.base.importing import needed_for
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request
from mnemoscope.maps.black_box import BlackBox
from mnemoscope.maps.sizes import Sizes

AT_ONCE = 256
"""States that a session is handed at once, where the file leaves it open."""


class ONNX(Adapter):
    """An `.onnx` file of one input, or of a batch and a noise level."""

    def recognizes(self, target: str) -> bool:
        """Returns a file of that name."""
        return target.endswith(".onnx") and Path(target).is_file()

    def load(self, request: Request) -> Loaded:
        """Returns a session on the CPU; of several outputs one must be named."""
        runtime = needed_for("a model", "onnxruntime", extra="onnx")
        try:
            session: Any = runtime.InferenceSession(
                request.target, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise MnemoscopeError(
                f"{request.target}, which onnxruntime cannot load ({first_line(error)})",
                expected="an ONNX file",
                todo="export the model again",
            ) from error
        inputs = session.get_inputs()
        wanted = 1 if request.noise_level is None else 2
        if len(inputs) != wanted:
            raise MnemoscopeError(
                f"{request.target}, a model of {len(inputs)} inputs "
                f"({', '.join(i.name for i in inputs)})",
                expected="one that takes a batch"
                + (" and a noise level" if wanted == 2 else " alone"),
                todo="export it so, or pass --noise-level for a denoiser",
            )
        output = _chosen([out.name for out in session.get_outputs()], request)
        shape = inputs[0].shape
        kind = _numpy(inputs[0].type, request.target)

        def evaluate(batch: np.ndarray) -> np.ndarray:
            feed = {inputs[0].name: np.ascontiguousarray(batch, dtype=kind)}
            if request.noise_level is not None:
                level = np.full(len(batch), request.noise_level)
                level = level if inputs[1].shape else level[:1].reshape(())
                feed[inputs[1].name] = level.astype(_numpy(inputs[1].type, request.target))
            return session.run([output], feed)[0]

        fixed = shape[0] if shape and isinstance(shape[0], int) else None
        known = len(shape) > 1 and all(isinstance(side, int) for side in shape[1:])
        sides = tuple(side if isinstance(side, int) else Sizes() for side in shape[1:])
        return Loaded(
            BlackBox(evaluate, batch_size=fixed or AT_ONCE),
            shape=tuple(shape[1:]) if known else None,
            sides=sides or None,
            takes_output=False,
            takes_noise_level=False,
            fixed_batch=fixed,
        )


def _chosen(names: list[str], request: Request) -> str:
    """Returns the output that is the reconstruction, by its name or place."""
    wanted = request.output
    if wanted is None and len(names) == 1:
        return names[0]
    if str(wanted).isdigit() and int(str(wanted)) < len(names):
        return names[int(str(wanted))]
    if wanted in names:
        return str(wanted)
    raise MnemoscopeError(
        f"{request.target}, whose outputs are {', '.join(names)}"
        + ("" if wanted is None else f", and --output {wanted}"),
        expected="the one that is the reconstruction",
        todo=f"name it: --output {names[-1]}",
    )


def _numpy(kind: str, target: str) -> type:
    """Returns the NumPy type of an ONNX one, such as `tensor(float)`."""
    known = {"float": np.float32, "double": np.float64, "float16": np.float16, "int64": np.int64}
    inner = kind.removeprefix("tensor(").removesuffix(")")
    if inner not in known:
        raise MnemoscopeError(
            f"{target}, which takes {kind}",
            expected=f"a tensor of {', '.join(known)}",
            todo="export the model for floating-point numbers",
        )
    return known[inner]
