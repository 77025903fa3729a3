"""The state of unfinished work in one `.safetensors` file, to go on from after a kill.

Tensors (weights, buffers, the optimizer's moments) are stored as they are, everything else as JSON
in the metadata, so that nothing is unpickled and the numbers come back to the bit.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import replacing
from mnemoscope.base.small_files import check_regular, parse_json

FORMAT = "mnemoscope-checkpoint/5"
"""The format that the checkpoint of a training declares."""


def write_checkpoint(path: str | Path, state: dict[str, Any], form: str = FORMAT) -> None:
    """Writes a nest of dicts, lists, numbers, text and tensors; until then the old file stays."""
    tensors: dict[str, Tensor] = {}
    tree = _without_tensors(state, tensors, {})
    with replacing(path) as temporary:
        save_file(tensors, temporary, {"format": form, "state": json.dumps(tree)})


def read_checkpoint(
    path: str | Path, form: str = FORMAT, writer: str = "a training"
) -> dict[str, Any]:
    """Reads what `write_checkpoint` wrote in this form; `writer` names its author in messages."""
    check_regular(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != form:
                raise SafetensorError(f"its format is {metadata.get('format')!r}")
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        return _with_tensors(parse_json(metadata["state"]), tensors)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise MnemoscopeError(
            f"{path} cannot be read as a checkpoint ({reason})",
            expected=f"a checkpoint that {writer} of this project wrote",
            todo="remove it to start anew, or name another one",
        ) from error


def _without_tensors(node: Any, tensors: dict[str, Tensor], written: dict[int, Any]) -> Any:
    if isinstance(node, Tensor):
        if id(node) in written:
            return written[id(node)]
        name = f"t{len(tensors)}"
        values = node.detach().cpu()
        # As pairs of real numbers: safetensors knows no complex numbers of double precision.
        kind = "complex" if values.is_complex() else "tensor"
        values = torch.view_as_real(values.resolve_conj()) if values.is_complex() else values
        tensors[name] = values.clone().contiguous()
        written[id(node)] = {kind: name}
        return {kind: name}
    if isinstance(node, dict):
        pairs = [[key, _without_tensors(each, tensors, written)] for key, each in node.items()]
        return {"dict": pairs}
    if isinstance(node, list | tuple):
        return {"list": [_without_tensors(value, tensors, written) for value in node]}
    return {"value": node}


def _with_tensors(node: Any, tensors: dict[str, Tensor]) -> Any:
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "complex":
        return torch.view_as_complex(tensors[content])
    if kind == "dict":
        return {key: _with_tensors(value, tensors) for key, value in content}
    if kind == "list":
        return [_with_tensors(value, tensors) for value in content]
    return content
