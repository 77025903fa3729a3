"""The parts of a long measurement: which are finished, kept in a file, and which are left out.

A part is computed once. After Ctrl-C no further part is begun, and each has the value for what was
not measured, so that a result of the finished ones can be made. A caller that plans for a time may
leave out parts in the same way.

Nothing in the file is unpickled: tensors and tables (as the bytes of a Parquet file) are stored as
they are, everything else as JSON; dataclasses are rebuilt only of the kinds that `_KINDS` lists.
"""

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import torch
from jaxtyping import Float, Num
from polars.exceptions import PolarsError
from pydantic import BaseModel
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.provenance import checksum, versions, weights_checksum
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.outcomes import Outcomes
from mnemoscope.dynamics.states import rms
from mnemoscope.maps import SelfMap
from mnemoscope.measure.certificates import Certified
from mnemoscope.measure.examples import Linearized, Looked
from mnemoscope.measure.membership_scores import Membership
from mnemoscope.measure.pictures import BasinPlane, Strips
from mnemoscope.measure.recall import Recalled
from mnemoscope.measure.roc import Separation
from mnemoscope.results.summary import Controls, NoiseFrames, Plane, RecallFrames, TwoSample
from mnemoscope.training.checkpoint import read_checkpoint, write_checkpoint

EVERY = 60.0
"""Time between two checkpoints (s)."""

PROBED = 4
"""Examples whose images distinguish a map from another one."""

SAME = 1e-5
"""Values of one map at the same states differ by less (RMS, in units), on any number of threads:
about a hundred roundings of float32."""


T = TypeVar("T")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with the result of what was finished before it.

    Attributes:
        result: An `Audit` or a `Screen` whose `summary.partial` lists what is missing.
    """

    def __init__(self, result: Any) -> None:
        super().__init__("interrupted; the result of what was finished is in its attribute result")
        self.result = result


class OtherCheckpointError(MnemoscopeError):
    """A checkpoint of another audit."""


class Parts:
    """The parts of one measurement.

    `missing` and `left_out` name the parts that Ctrl-C and the caller left out, in order; `seconds`
    were spent on the finished ones before this process. Of a map without weights, values of it
    (`probe`, in units) distinguish it from others.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        identity: dict[str, Any],
        probe: Float[Tensor, "p *shape"],
        leaves_out: Callable[[str], bool] = lambda _: False,
        on_part: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Starts, or continues from a checkpoint."""
        self.missing: list[str] = []
        self.left_out: list[str] = []
        self._leaves_out, self._on_part = leaves_out, on_part
        self.seconds = 0.0
        self._path = None if path is None else Path(path)
        self._identity = identity
        self._probe = probe.detach().cpu()
        self._done: dict[str, Any] = {}
        self._begun = self._saved = time.monotonic()
        if self._path is not None and self._path.exists():
            self._restore(read_parts(self._path, probe.device))

    @classmethod
    def of_map(
        cls,
        path: str | os.PathLike[str] | None,
        f: SelfMap,
        X: Num[Tensor, "n *shape"],
        identity: dict[str, Any],
        **options: Any,
    ) -> "Parts":
        """Returns the parts of a measurement of a map; data in `identity` are hashed."""
        if path is None:
            return cls(None, {}, f.batch(X[:0]), **options)
        same = {
            "data": checksum(X),
            "weights": weights_checksum(f.modules),
            "unit": f.unit,
            "dtype": str(f.dtype),
            "version": versions()["mnemoscope"],
            **{k: checksum(v) if isinstance(v, Tensor) else v for k, v in identity.items()},
        }
        return cls(path, same, f(f.batch(X[:PROBED])) / f.unit, **options)

    def part(
        self,
        name: str,
        compute: Callable[[], T],
        missing: T,
        *,
        what: str = "",
        stage: str = "",
    ) -> T:
        """Returns the value of a part: the finished one, a new one, or `missing` after Ctrl-C."""
        if name in self._done:
            return self._done[name]
        if not self.missing and self._leaves_out(what or name):
            self.left_out.append(what or name)
            return missing
        if not self.missing:
            try:
                self._on_part(stage or what or name)
                self._done[name] = compute()
                if time.monotonic() - self._saved > EVERY:
                    self.save()
                return self._done[name]
            except KeyboardInterrupt:
                self._done.pop(name, None)
                if not self._done:
                    raise
                self.save()
        self.missing.append(what or name)
        return missing

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Writes what is finished where Ctrl-C comes between two parts."""
        try:
            yield
        except KeyboardInterrupt:
            if self._done:
                self.save()
            raise

    def save(self) -> None:
        """Writes the finished parts to the checkpoint, if there is to be one."""
        if self._path is None:
            return
        write_parts(
            self._path,
            {
                "identity": self._identity,
                "probe": self._probe,
                "seconds": self.seconds + time.monotonic() - self._begun,
                "done": self._done,
            },
        )
        self._saved = time.monotonic()

    def _restore(self, content: dict[str, Any]) -> None:
        theirs, probe = content["identity"], content["probe"].cpu()
        differing = [
            f"{name} {_brief(theirs.get(name))}, not {_brief(mine)}"
            for name, mine in self._identity.items()
            if theirs.get(name) != mine
        ]
        if not differing and not _alike(probe, self._probe):
            differing = ["a map with other values"]
        if differing:
            raise OtherCheckpointError(
                f"{self._path}, a checkpoint of another audit: {', '.join(differing)}",
                expected="a checkpoint of this very audit",
                todo="audit with its settings, remove it, or name another one",
            )
        self._done, self.seconds = content["done"], content["seconds"]


def _alike(theirs: Tensor, mine: Tensor) -> bool:
    if theirs.shape != mine.shape:
        return False
    # Where one is not finite the other one must not be either.
    same = torch.isfinite(theirs) == torch.isfinite(mine)
    apart = rms((theirs.double() - mine.double()).nan_to_num(0, 0, 0))
    return bool(same.all()) and bool((apart <= SAME).all())


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


_KINDS = {
    kind.__name__: kind
    for kind in (
        Atlas,
        BasinPlane,
        Certified,
        Outcomes,
        Linearized,
        Looked,
        Membership,
        Recalled,
        Separation,
        Strips,
    )
}
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
    """Reads what `write_parts` wrote."""
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
    """Returns the value as dicts, lists, tensors and JSON values."""
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
