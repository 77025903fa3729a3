"""The ways in which PyTorch can take a map's derivative: the first that works is used.

Function transforms (`torch.func`) are the fastest, but refuse what has no rule for them; the
recorded graph takes other operations; some have a first derivative alone. Which way a map needs is
found out at one state, once.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError, shortened
from mnemoscope.maps.forward import ForwardLinearization
from mnemoscope.maps.graph import GraphLinearization, RowsLinearization
from mnemoscope.maps.linearization import AutogradLinearization, Linearization
from mnemoscope.maps.live_memory import TooMuch

MOST_ROWS = 2048
"""Largest state, in entries, whose whole Jacobian is formed where nothing else works."""

Map = Callable[[Tensor], Tensor]


@contextmanager
def _without_onednn() -> Iterator[None]:
    # `flags()` sets what is meant for other devices too, and PyTorch then warns of these.
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = before


class _WithoutOneDnn(AutogradLinearization):
    """Reverse mode by PyTorch's own kernels: oneDNN's LSTM keeps nothing to differentiate twice."""

    def __init__(self, f: Map, states: Tensor) -> None:
        with _without_onednn():
            super().__init__(f, states)

    def _push(self, V: Tensor) -> Tensor:
        with _without_onednn():
            return super()._push(V)

    def _pull(self, U: Tensor) -> Tensor:
        with _without_onednn():
            return super()._pull(U)


@dataclass(frozen=True)
class Way:
    """A way to take derivatives.

    Attributes:
        name: What audits call it.
        transposed: Whether products with the transposed Jacobian can be had.
        make: Linearizes a map at states.
        largest: Entries of the largest states that it is tried for.
    """

    name: str
    transposed: bool
    make: Callable[[Map, Tensor], Linearization]
    largest: int | None = None


REVERSE = Way("reverse mode", transposed=True, make=AutogradLinearization)

FORWARD = Way(
    "forward mode",
    transposed=False,
    make=lambda f, states: ForwardLinearization(f, states, batch_size=max(1, len(states))),
)

WAYS = (
    REVERSE,
    Way("reverse mode without oneDNN", transposed=True, make=_WithoutOneDnn),
    Way("recorded graph", transposed=True, make=GraphLinearization),
    FORWARD,
    Way("row by row", transposed=True, make=RowsLinearization, largest=MOST_ROWS),
)


@dataclass(frozen=True)
class Choice:
    """The way that was found.

    Attributes:
        way: The first that works; None if none does.
        failures: What those before it failed with, by their names.
    """

    way: Way | None
    failures: Mapping[str, BaseException] = field(default_factory=dict)

    @property
    def failure(self) -> BaseException | None:
        """Why reverse mode cannot be taken."""
        return self.failures.get(REVERSE.name)


NONE = Choice(None)


@dataclass(frozen=True)
class Derivatives:
    """How the derivatives of a map are taken, for the record of an audit.

    Attributes:
        way: The name of one of `WAYS`; `written out`: by the chain rule over the layers of fully
            connected networks; `differences`: of values, without any derivative.
        why: Why no way before it is taken; empty where there is none.
    """

    way: str
    why: str = ""

    @classmethod
    def by(cls, choice: Choice) -> "Derivatives":
        """Returns what was chosen, with what the ways before it failed with."""
        return cls(DIFFERENCES if choice.way is None else choice.way.name, _reasons(choice))


WRITTEN_OUT = Derivatives("written out")

DIFFERENCES = "differences"


def _reasons(choice: Choice) -> str:
    """Lists why ways failed; those that failed with the same together."""
    ways: dict[str, list[str]] = {}
    for name, error in choice.failures.items():
        ways.setdefault(_reason(error), []).append(name)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in ways.items())


def _reason(error: BaseException) -> str:
    if isinstance(error, TooMuch):
        return "more than the memory budget for one state"
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {shortened((str(cause).splitlines() or [''])[0])}"


def choose(f: Map, state: Tensor, *, tried: Callable[[Way], None]) -> Choice:
    """Tries the ways one after the other."""
    failures: dict[str, BaseException] = {}
    for way in WAYS:
        too_large = way.largest is not None and state.numel() > way.largest
        # What another way keeps of the layers is no less.
        if too_large or (way.transposed and isinstance(failures.get(REVERSE.name), TooMuch)):
            continue
        try:
            tried(way)
        except (RuntimeError, NotImplementedError, MnemoscopeError) as error:
            failures[way.name] = error
            continue
        return Choice(way, failures)
    return Choice(None, failures)
