"""How PyTorch takes a map's derivative, and the memory that one state then takes.

Function transforms (`torch.func`) are the fastest, but refuse what has no rule for them; the
recorded graph takes other operations; some have a first derivative alone. The first way that works
is used; which one a map needs is found out at one state, once.

What a layer gives lives until the last one that needs it has run; a derivative keeps it longer. So
the peak of memory is measured (`mnemoscope.maps.live_memory`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError, first_line, shortened
from mnemoscope.maps.linearization import (
    AutogradLinearization,
    ForwardLinearization,
    GraphLinearization,
    Linearization,
    RowsLinearization,
)
from mnemoscope.maps.live_memory import LiveMemory, TooMuch
from mnemoscope.nets.plain import PlainLayer

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
    return f"{type(cause).__name__}: {shortened(first_line(cause))}"


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


UNSEEN = 8
"""States that a map which only evaluates is taken to hold at once: what it does is not seen."""


class Footprint:
    """Bytes that one state takes, in addition to the weights.

    Args:
        evaluate: At the peak of an evaluation.
        reverse: At the peak of linearizing in reverse mode and of a product in either direction.
            None where that does not fit into the limit, or PyTorch cannot do it.
    """

    def __init__(self, evaluate: int, reverse: int | None = None) -> None:
        self.evaluate = evaluate
        self._reverse = reverse

    @property
    def reverse(self) -> int | None:
        """At the peak of linearizing in reverse mode; None where that cannot be done."""
        return self._reverse

    @property
    def linearize(self) -> int:
        """At the peak of linearizing in whichever mode is used: forward mode carries a tangent."""
        return 3 * self.evaluate if self.reverse is None else self.reverse

    @cached_property
    def choice(self) -> Choice:
        """How PyTorch takes the derivative, where it is PyTorch that does."""
        return NONE


def plain_footprint(layers: Sequence[PlainLayer], dtype: torch.dtype) -> Footprint:
    """Computes that of fully connected layers, whose activations and slopes are all there is."""
    sizes = [layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in layers)]
    # Two layers and what lies between them; each layer's slope and a vector at it.
    return Footprint(3 * max(sizes) * dtype.itemsize, 2 * sum(sizes) * dtype.itemsize)


class MeasuredFootprint(Footprint):
    """Of any other map, measured at one state; its derivative when it is first asked for."""

    def __init__(
        self, f: Callable[[Tensor], Tensor], state: Float[Tensor, "1 *shape"], *, limit: int
    ) -> None:
        with torch.no_grad(), LiveMemory() as live:
            f(state)
        super().__init__(max(UNSEEN * state.nbytes, live.peak))
        self._f, self._state, self._limit = f, state, limit

    @property
    def reverse(self) -> int | None:
        """Of one linearization with a product in each direction."""
        way = self.choice.way
        return self._reverse if way is not None and way.transposed else None

    @cached_property
    def choice(self) -> Choice:
        """The first way to take the derivative that works within the limit."""
        return choose(self._f, self._state, tried=self._tried)

    def _tried(self, way: Way) -> None:
        # Forward mode takes what an evaluation does, which has to fit in any case.
        with LiveMemory(self._limit if way.transposed else None) as live:
            linear = way.make(self._f, self._state)
            linear.jvp(self._state)
            if way.transposed:
                linear.vjp(self._state)
        self._reverse = max(self.evaluate, live.peak)
