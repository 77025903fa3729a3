"""What an adapter is: it recognizes targets of one kind and loads a model from them."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.sizes import Sides, Sizes
from mnemoscope.maps.wrapped import MapOptions, Output


@dataclass(frozen=True)
class LoadOptions(MapOptions):
    """How a target is opened, and how the model in it is used as a self-map.

    Attributes:
        adapter: The adapter's name; default: the one that recognizes the target.
        weights: For a factory: a `.safetensors`, a `.pt` of tensors alone, an index of several
            files, or a folder with one of these.
        weights_key: Which part of the weights' file, where several fit.
        factory_args: Keyword arguments of a factory.
        domain: The least and the largest entry of the states that the model takes; see `SelfMap`.
        device: Where it computes.
        budget: Bytes of memory that evaluating and linearizing may take.
    """

    adapter: str | None = None
    weights: str | os.PathLike[str] | None = None
    weights_key: str | None = None
    factory_args: Mapping[str, Any] = field(default_factory=dict)
    domain: Sequence[float | None] | None = None
    device: str = "cpu"
    budget: int | None = None


@dataclass(frozen=True, kw_only=True)
class Request(LoadOptions):
    """What is asked of an adapter: a target, and the options of the caller.

    Attributes:
        target: The file, folder, or whatever the adapter recognizes; what a live object is called.
    """

    target: str


@dataclass(frozen=True)
class Loaded:
    """A model, and what its file says about how it is to be used; the user may say otherwise.

    Attributes:
        model: A module or a callable of a batch; if its attribute `differentiable` is False it is
            only evaluated.
        shape: The shape of a state, as the model takes it, if the file states it.
        output: Which part of what it gives is the reconstruction.
        scale: The model's values where the data's are 0 and 1.
        takes_output: Whether the output is still to be chosen from what the model gives.
        takes_noise_level: Whether the noise level is still to be handed to the model as its second
            argument.
        takes_prediction: Whether it gives what it predicts; otherwise its estimate of the state.
        fixed_batch: The one batch size that it takes, or the sizes.
        black_box: Whether it is only to be evaluated.
        binds: Whether it takes states of that shape alone; otherwise the shape is a default, and
            what else it takes is tried.
        sides: Instead of the shape: the sizes that each side may have, where the file states these.
        domain: The least and the largest entry of the states that it takes; None, as for one of
            the two: no bound.
    """

    model: Callable[..., Any]
    shape: tuple[int, ...] | None = None
    output: Output | None = None
    scale: tuple[float, float] | None = None
    takes_output: bool = True
    takes_noise_level: bool = True
    takes_prediction: bool = True
    fixed_batch: int | Sizes | None = None
    black_box: bool = False
    binds: bool = True
    sides: Sides | None = None
    domain: tuple[float | None, float | None] | None = None


class Adapter(ABC):
    """Loads targets of one kind.

    A package makes its own known by an entry point of the group `mnemoscope.adapters` whose name is
    the adapter's and whose value is the class.

    Attributes:
        takes: The parts of a `Request` that the adapter uses in addition to target and device;
            others are refused if they are given.
        takes_with_object: Those that it uses with a live object.
    """

    takes: ClassVar[frozenset[str]] = frozenset()
    takes_with_object: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def recognizes(self, target: str) -> bool:
        """Returns whether the target is of this kind, by its name or a look at its first bytes."""

    @abstractmethod
    def load(self, request: Request) -> Loaded:
        """Returns the model.

        Raises:
            MnemoscopeError: it cannot be loaded.
        """

    def recognizes_object(self, model: object) -> bool:
        """Returns whether a live object is of this kind; must not import its library.

        An adapter of files recognizes none.
        """
        return False

    def adapt(self, model: Any, request: Request) -> Loaded:
        """Makes a map of a live object that it recognizes, and leaves the object as it is.

        A module that it gives is moved to the device and put in eval mode, so it must be a copy.

        Raises:
            MnemoscopeError: no map can be made of it.
        """
        raise NotImplementedError


def refuse_unused(request: Request, takes: Collection[str], reason: str) -> None:
    """Refuses options that would be ignored, for a reason."""
    given = {
        "weights": request.weights,
        "weights_key": request.weights_key,
        "factory_args": request.factory_args,
    }
    for option, value in given.items():
        if value and option not in takes:
            raise MnemoscopeError(
                f"--{option.replace('_', '-')} with {request.target}",
                expected=f"nothing, since {reason}",
                todo="leave it out",
                field=option,
            )
