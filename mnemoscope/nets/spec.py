"""A network's spec, the module that it builds, and the record of its training."""

import operator
from abc import ABC, abstractmethod
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, JsonValue
from torch import Tensor, nn

from mnemoscope.base import check
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.model import StrictModel
from mnemoscope.base.text import short
from mnemoscope.nets.activations import activation_name
from mnemoscope.nets.initialization import initialize, parse_initialization

_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def _whole(value: object) -> object:
    """Turns NumPy's whole numbers into Python's; pydantic checks everything else."""
    if isinstance(value, bool):
        return value
    try:
        return operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return value


def _activation(value: object) -> object:
    return activation_name(value) if isinstance(value, str) or callable(value) else value


def _initialization(name: str) -> str:
    parse_initialization(name)
    return name


Whole = Annotated[int, Field(strict=True, ge=0, lt=2**31), BeforeValidator(_whole)]
"""A whole number, 0 or more."""

Count = Annotated[int, Field(strict=True, ge=1, lt=2**31), BeforeValidator(_whole)]
"""A whole number, 1 or more."""

Activation = Annotated[str, Field(strict=True), BeforeValidator(_activation)]
"""The name of an activation; a function or a module of PyTorch's becomes its name."""

Initialization = Annotated[str, Field(strict=True), AfterValidator(_initialization)]
"""The name of an initialization."""


class HistoryRow(BaseModel, frozen=True, extra="forbid", ser_json_inf_nan="strings"):
    """One moment of the training.

    Attributes:
        step: Optimizer steps taken so far.
        seconds: Time since the start, in seconds.
        loss: Training loss, in squared units.
        lr: Learning rate.
    """

    step: int
    seconds: float
    loss: float
    lr: float


class FinishRecord(BaseModel, frozen=True, extra="forbid", ser_json_inf_nan="strings"):
    """What followed the optimizer of a training.

    Attributes:
        method: The finish that was applied: least_squares or gauss_newton.
        loss_before: Training loss when it began, in squared units.
        update: The Euclidean norm of its change of the weights, as a share of that of the weights
            that it changed.
        examples: The examples at which spectral radii were computed, by index; empty where the
            network has none (its outputs depend on the batch, or on chance).
        radii_before: The spectral radii there when it began.
        radii_after: The spectral radii there at the end.
    """

    method: str
    loss_before: float
    update: float
    examples: tuple[int, ...] = ()
    radii_before: tuple[float, ...] = ()
    radii_after: tuple[float, ...] = ()


class TrainingRecord(StrictModel, frozen=True, extra="forbid"):
    """How a network was trained, enough to do it again.

    Attributes:
        options: The training options, nothing left open; plain values, which
            `mnemoscope.training.TrainingOptions.of` reads.
        steps: Optimizer steps taken.
        loss: Training loss at the end, in squared units.
        converged: Whether the loss reached `tol`.
        frozen_at: The step from which on running statistics were held constant; None: never.
        reason: Why training ended without having converged; empty if it has or is not known.
        finish: What followed the optimizer; None: nothing.
        seconds: How long it took, in seconds.
        examples: The number of training examples, `n`.
        data_checksum: `mnemoscope.base.provenance.checksum` of the examples.
        targets: Whether the network was fitted to targets other than the examples themselves.
        versions: `mnemoscope.base.provenance.versions` at the time.
        history: The loss along the way, oldest first.
        source: How the examples were loaded, if that is known; plain JSON values.

    Raises:
        MnemoscopeError: a field is misspelled, missing, of the wrong type or out of range.
    """

    options: dict[str, JsonValue] = Field(description="a dictionary of training options")
    steps: int = Field(ge=0, description="a whole number, 0 or more")
    loss: float = Field(description="a loss, as a number")
    converged: bool = Field(description="True or False")
    frozen_at: int | None = Field(default=None, description="a whole number, or None")
    reason: str = Field(default="", description="a text")
    finish: FinishRecord | None = Field(default=None, description="the record of a finish, or None")
    seconds: float = Field(ge=0, description="a time in seconds, 0 or more")
    examples: int = Field(ge=1, description="a whole number, 1 or more")
    data_checksum: str = Field(description="a checksum, as hexadecimal digits")
    targets: bool = Field(default=False, description="True or False")
    versions: dict[str, str] = Field(description="a dictionary from names to versions, all text")
    history: tuple[HistoryRow, ...] = Field(
        default=(), repr=False, description="rows with step, seconds, loss and lr, all numbers"
    )
    source: dict[str, JsonValue] | None = Field(
        default=None, description="a dictionary of plain JSON values, or None"
    )

    def provenance(self) -> dict[str, JsonValue]:
        """Returns the options and the outcome in one dictionary, without the history."""
        fields = self.model_dump(mode="json", exclude={"history", "options"})
        return {**self.options, **fields}


class Network(nn.Module):
    """A network built from a spec; a batch `(n, *shape)` goes to a batch of the same shape.

    Attributes:
        spec: The spec it was built from.
        shape: The shape of a state.
        training_record: How the weights were trained; None if they were not.
        body: The layers, mapping batches.
    """

    def __init__(self, spec: "Spec", body: nn.Module) -> None:
        """Puts a spec and the layers it describes together."""
        super().__init__()
        self.spec = spec
        self.shape = spec.shape
        self.training_record: TrainingRecord | None = None
        self.body = body

    def forward(self, z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Maps a batch `(n, *shape)`, or a single state `(*shape)`.

        Raises:
            MnemoscopeError: the batch is not made of states of the network's shape.
        """
        dims = len(self.shape)
        # Under vmap the batch dimension is hidden, so only the rest of the shape is checked.
        if z.ndim not in (dims, dims + 1) or tuple(z.shape[-dims:]) != self.shape:
            state = ", ".join(map(str, self.shape))
            raise MnemoscopeError(
                f"a batch of shape {tuple(z.shape)}",
                expected=f"shape (n, {state}), or ({state}{',' * (dims == 1)}) for one state",
                todo="reshape the batch, or build the network for its shape",
                field="z",
            )
        if z.ndim == dims:
            return self.body(z.unsqueeze(0)).squeeze(0)
        return self.body(z)


class Spec(StrictModel, ABC, frozen=True, extra="forbid"):
    """The plain values from which a network is built: everything but the weights.

    Raises:
        MnemoscopeError: a field is misspelled, missing, of the wrong type or out of range.
    """

    shape: tuple[Count, ...] = Field(
        min_length=1, description="the shape of a state: a tuple of whole numbers, 1 or more each"
    )
    activation: Activation = Field(
        default="leaky_relu",
        description="the name of an activation, as text, or PyTorch's function or module",
    )
    output_activation: Activation | None = Field(
        default=None,
        description="the name of an activation, as text, PyTorch's function or module, or None",
    )
    bias: bool = Field(default=True, strict=True, description="True or False")
    init: Initialization = Field(
        default="default", description="the name of an initialization, as text"
    )

    @property
    @abstractmethod
    def last_activation(self) -> str:
        """The activation after the last weight layer."""

    @abstractmethod
    def skeleton(self) -> nn.Module:
        """Builds the layers, on PyTorch's meta device: shapes without numbers."""

    def build(
        self,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> Network:
        """Builds the network and draws its weights.

        The weights are drawn in float32 on the CPU, then cast and moved, so they are the same
        numbers for every dtype and device. The global generator is not touched.

        Args:
            seed: Random seed.
            dtype: float32, float64, bfloat16 or float16.
            device: Device of the weights.

        Raises:
            MnemoscopeError: the seed, dtype or device cannot be used, or the network is too large
                for the memory.
        """
        seed = check.seed(seed)
        if dtype not in _DTYPES:
            raise check.invalid("dtype", dtype, f"one of {', '.join(map(str, _DTYPES))}")
        check_device(device)
        try:
            network = self.allocate()
        except RuntimeError as error:
            raise MnemoscopeError(
                f"{self!r} does not fit into memory ({short(str(error))})",
                expected="a network with fewer weights",
                todo="make it narrower or shallower",
            ) from error
        initialize(network, init=self.init, activation=self.activation, seed=seed)
        return network.to(dtype=dtype, device=device)

    def allocate(self, device: torch.device | str = "cpu") -> Network:
        """Makes the network without setting its weights; a `RuntimeError` if memory is short."""
        network = self.outline()
        # `to_empty` would import PyTorch's symbolic shapes and SymPy: half a second.
        weights = {k: torch.empty(w.shape, device=device) for k, w in network.state_dict().items()}
        network.load_state_dict(weights, assign=True)
        return network

    def parameters_count(self) -> int:
        """Counts the weights and biases."""
        return sum(parameter.numel() for parameter in self.outline().parameters())

    def outline(self) -> Network:
        """Builds the network on PyTorch's meta device: names and shapes of its weights, no numbers.

        Raises:
            MnemoscopeError: a layer is too large for any memory.
        """
        return Network(self, self.skeleton())


def check_device(device: str | torch.device) -> None:
    """Refuses a device that PyTorch does not know or cannot use on this machine."""
    try:
        torch.empty(0, device=device)
    # PyTorch without CUDA raises an AssertionError for "cuda".
    except (RuntimeError, AssertionError, TypeError) as error:
        raise MnemoscopeError(
            f"device={short(device)} ({short(str(error))})",
            expected="a device PyTorch can use on this machine, such as cpu",
            todo="change `device`",
            field="device",
        ) from error
