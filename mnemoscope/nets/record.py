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
        options: The training options, nothing left open; plain values, which
            `mnemoscope.training.TrainingOptions.of` reads.
        steps: Optimizer steps taken.
        loss: Training loss at the end, in squared units.
        converged: Whether the loss reached `tol`.
        frozen_at: The step from which on running statistics were held constant; None: never.
        reason: Why training ended without having converged; empty if it has or is not known.
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
