"""How a network's weights came to be."""

from pydantic import BaseModel, Field, JsonValue

from mnemoscope.base.model import StrictModel


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


class TrainingRecord(StrictModel, frozen=True, extra="forbid"):
    """How a network was trained, enough to do it again.

    Attributes:
        optimizer: The optimizer's name.
        lr: The learning rate it began with.
        schedule: How the learning rate changed.
        batch_size: Examples in each step; the number of examples for full-batch training.
        tol: The training loss, in squared units, that counted as interpolation.
        unit: The scale of the examples; losses are shares of its square.
        max_steps: The most steps allowed.
        momentum: Of gradient descent.
        weight_decay: Decoupled for Adam, an L2 penalty otherwise.
        init_scale: What the drawn weights were multiplied by before the first step.
        polish: Whether Gauss-Newton took over near the end.
        steps: Optimizer steps taken.
        loss: Training loss at the end, in squared units.
        converged: Whether the loss reached `tol`.
        frozen_at: The step from which on running statistics were held constant; None: never.
        reason: Why training ended without having converged; empty if it has or is not known.
        seconds: How long it took, in seconds.
        seed: The seed of the order of the examples.
        examples: The number of training examples, `n`.
        data_checksum: `mnemoscope.base.provenance.checksum` of the examples.
        targets: Whether the network was fitted to targets other than the examples themselves.
        versions: `mnemoscope.base.provenance.versions` at the time.
        history: The loss along the way, oldest first.
        source: How the examples were loaded, if that is known; plain JSON values.

    Raises:
        MnemoscopeError: a field is misspelled, missing, of the wrong type or out of range.
    """

    optimizer: str = Field(description="the optimizer's name")
    lr: float = Field(description="a learning rate, as a number")
    schedule: str = Field(description="the schedule's name")
    batch_size: int = Field(ge=1, description="a whole number, 1 or more")
    tol: float = Field(description="a loss, as a number")
    unit: float = Field(default=1.0, gt=0, description="a scale above 0, as a number")
    max_steps: int = Field(ge=0, description="a whole number, 0 or more")
    momentum: float = Field(default=0.9, description="a number from 0 to 1")
    weight_decay: float = Field(default=0.0, description="a number, 0 or more")
    init_scale: float = Field(default=1.0, description="a number")
    polish: bool = Field(default=False, description="True or False")
    steps: int = Field(ge=0, description="a whole number, 0 or more")
    loss: float = Field(description="a loss, as a number")
    converged: bool = Field(description="True or False")
    frozen_at: int | None = Field(default=None, description="a whole number, or None")
    reason: str = Field(default="", description="a text")
    seconds: float = Field(ge=0, description="a time in seconds, 0 or more")
    seed: int = Field(description="a whole number")
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
