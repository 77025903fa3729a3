"""Finished parts of an audit or of a screening in one file, to go on from after Ctrl-C or a kill.

Nothing is unpickled: tensors and tables (as the bytes of a Parquet file) are stored as they are,
everything else as JSON; dataclasses are rebuilt only of the kinds that `_KINDS` lists.
"""

import io
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from polars.exceptions import PolarsError
from pydantic import BaseModel
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.outcomes import Outcomes
from mnemoscope.measure.certificates import Certified
from mnemoscope.measure.examples import Linearized, Looked
from mnemoscope.measure.frames import Strips
from mnemoscope.measure.membership import Membership
from mnemoscope.measure.plane import BasinPlane
from mnemoscope.measure.recall import Recalled
from mnemoscope.measure.roc import Separation
from mnemoscope.results.summary import Controls, NoiseFrames, Plane, RecallFrames, TwoSample
from mnemoscope.training.checkpoint import read_checkpoint, write_checkpoint

_KINDS = {
    kind.__name__: kind
    for kind in (
        Atlas, BasinPlane, Certified, Outcomes, Linearized, Looked, Membership, Recalled,
        Separation, Strips,
    )
}  # fmt: skip
"""The results that parts of an audit have."""

_MODELS = {
    model.__name__: model for model in (Controls, NoiseFrames, Plane, RecallFrames, TwoSample)
}
"""The parts of a summary among them."""


FORMAT = "mnemoscope-audit-checkpoint/1"
"""What the file says of itself."""


def write_parts(path: Path, content: dict[str, Any]) -> None:
    """Writes results; the old file stays until the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(path, {"parts": _nest(content)}, FORMAT)


def read_parts(path: Path, device: torch.device) -> dict[str, Any]:
    """Reads what `write_parts` wrote.

    Args:
        path: The file.
        device: Where tensors go that were not on the CPU.

    Raises:
        MnemoscopeError: the file is no checkpoint of an audit, or damaged.
    """
    state = read_checkpoint(path, FORMAT, "an audit")
    try:
        content = _built(state["parts"], device)
        if isinstance(content, dict):
            return content
        reason = "it holds no parts"
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, PolarsError) as error:
        reason = " ".join(str(error).split())
    raise MnemoscopeError(
        f"{path} cannot be read as a checkpoint of an audit ({reason})",
        expected="a checkpoint that an audit wrote",
        todo="remove it to start anew, or name another one",
    )


def _nest(value: Any) -> Any:
    """The value as dicts, lists, tensors and JSON values."""
    if isinstance(value, pl.DataFrame):
        buffer = io.BytesIO()
        value.write_parquet(buffer)
        return {"table": torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)}
    if isinstance(value, BaseModel):
        return {"model": type(value).__name__, "json": value.model_dump_json()}
    if is_dataclass(value) and not isinstance(value, type):
        inside = {each.name: _nest(getattr(value, each.name)) for each in fields(value)}
        return {"kind": type(value).__name__, "fields": inside}
    if isinstance(value, dict):
        return {"dict": [[key, _nest(each)] for key, each in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_nest(each) for each in value]}
    if isinstance(value, list):
        return {"list": [_nest(each) for each in value]}
    away = isinstance(value, Tensor) and value.device.type != "cpu"
    return {"device" if away else "value": value}


def _built(node: Any, device: torch.device) -> Any:
    if "table" in node:
        return pl.read_parquet(io.BytesIO(node["table"].numpy().tobytes()))
    if "kind" in node:
        return _KINDS[node["kind"]](**{k: _built(v, device) for k, v in node["fields"].items()})
    if "model" in node:
        return _MODELS[node["model"]].model_validate_json(node["json"])
    if "dict" in node:
        return {key: _built(each, device) for key, each in node["dict"]}
    if "tuple" in node:
        return tuple(_built(each, device) for each in node["tuple"])
    if "list" in node:
        return [_built(each, device) for each in node["list"]]
    return node["device"].to(device) if "device" in node else node["value"]
