"""The parts of a long measurement: which are finished, kept in a file, and which are left out.

A part is computed once. After Ctrl-C no further part is begun, and each has the value that stands
for what was not measured, so that a result of the finished ones can be made. A caller that plans
for a time may leave out parts in the same way.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Num
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.provenance import checksum, versions, weights_checksum
from mnemoscope.dynamics.states import rms
from mnemoscope.maps import SelfMap
from mnemoscope.measure.checkpoint import read_parts, write_parts

EVERY = 60.0
"""Time between two checkpoints (s)."""

PROBED = 4
"""Examples whose images tell a map from another one."""

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

    Attributes:
        missing: The names of parts that Ctrl-C left out, in order.
        left_out: The names of parts that the caller left out, in order.
        seconds: Time that was spent on the finished parts before this process (s).
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        identity: dict[str, Any],
        probe: Float[Tensor, "p *shape"],
        leaves_out: Callable[[str], bool] = lambda _: False,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Begins, or goes on where a checkpoint is.

        Args:
            path: The file of the checkpoint; None keeps nothing.
            identity: What tells this measurement from others: JSON values.
            probe: Values of the map, in units: what tells it from another one that has no weights.
            leaves_out: Whether the caller leaves out a part, asked when it would begin.
            tell: Called with a few words when a part begins.

        Raises:
            OtherCheckpointError: the file is a checkpoint of another measurement.
            MnemoscopeError: the file cannot be read.
        """
        self.missing: list[str] = []
        self.left_out: list[str] = []
        self._leaves_out, self._tell = leaves_out, tell
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
        """The parts of a measurement of a map at examples.

        Args:
            path: The file of the checkpoint; None keeps nothing.
            f: The map, in the unit of the measurement.
            X: `(n, *shape)`, the examples.
            identity: What else tells this measurement from others: JSON values.
            **options: `leaves_out` and `tell`.

        Raises:
            MnemoscopeError: as the constructor.
        """
        if path is None:
            return cls(None, {}, f.batch(X[:0]), **options)
        same = {
            "data": checksum(X), "weights": weights_checksum(f.modules), "unit": f.unit,
            "dtype": str(f.dtype), "version": versions()["mnemoscope"],
        }  # fmt: skip
        return cls(path, {**same, **identity}, f(f.batch(X[:PROBED])) / f.unit, **options)

    def part(
        self,
        name: str,
        compute: Callable[[], T],
        missing: T,
        *,
        what: str = "",
        stage: str = "",
    ) -> T:
        """Returns the value of a part: the finished one, a new one, or `missing` after Ctrl-C.

        Args:
            name: Its name.
            compute: Computes it.
            missing: Stands for it where it is not computed.
            what: What to call it where it is missing (default: its name).
            stage: What to call it when it begins (default: as where it is missing).

        Raises:
            KeyboardInterrupt: Ctrl-C before any part was finished.
        """
        if name in self._done:
            return self._done[name]
        if not self.missing and self._leaves_out(what or name):
            _note(what or name, self.left_out)
            return missing
        if not self.missing:
            try:
                self._tell(stage or what or name)
                self._done[name] = compute()
                if time.monotonic() - self._saved > EVERY:
                    self.save()
                return self._done[name]
            except KeyboardInterrupt:
                self._done.pop(name, None)
                if not self._done:
                    raise
                self.save()
        _note(what or name, self.missing)
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


def _note(name: str, names: list[str]) -> None:
    if name not in names:
        names.append(name)


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
