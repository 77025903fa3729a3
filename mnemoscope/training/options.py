"""The options of a training, declared once.

`train`, `train_replicas`, `mnemoscope train`, the `[training]` table of a sweep and the record of a
trained network all use `TrainingOptions`. This module imports no PyTorch, so that the help of the
command line appears at once; `Attributes` in the docstring of the class is that help.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from mnemoscope.base.check import did_you_mean, one_of, real_number, whole_number, with_given
from mnemoscope.base.check import seed as checked_seed
from mnemoscope.base.errors import MnemoscopeError


@dataclass(frozen=True)
class OptimizerKind:
    """The properties of an optimizer.

    Attributes:
        lr: Default learning rate; None: it has none.
        full_batch: It compares losses of one batch, so that every step needs all examples.
        decays: It supports weight decay.
    """

    lr: float | None
    full_batch: bool = False
    decays: bool = True


OPTIMIZERS: dict[str, OptimizerKind] = {
    "adam": OptimizerKind(1e-3),
    "gradient_descent": OptimizerKind(0.1),
    "rmsprop": OptimizerKind(3e-4),
    "lbfgs": OptimizerKind(1.0, full_batch=True, decays=False),
    "gauss_newton": OptimizerKind(None, full_batch=True, decays=False),
}
"""Adam (AdamW with weight decay), gradient descent with momentum, RMSprop, L-BFGS, and
Levenberg-Marquardt in function space."""

ALIASES = {"sgd": "gradient_descent"}
"""Other names of optimizers; records have the name in `OPTIMIZERS`."""

FIRST_ORDER = tuple(name for name, kind in OPTIMIZERS.items() if not kind.full_batch)
"""Optimizers that many networks can be trained with at once."""

SCHEDULES = {
    "plateau": "halves the rate when the loss has stopped falling, tests whether that helped, and "
    "raises it again by a tenth for as long as it falls; needs no number of steps",
    "cosine": "from the first rate to a hundredth of it along half a cosine over `max_steps`",
    "constant": "the first rate throughout",
}
"""Schedules of the learning rate, which is part of what decides which examples are stored."""

Optimizer = Literal["adam", "gradient_descent", "sgd", "rmsprop", "lbfgs", "gauss_newton"]
Schedule = Literal["plateau", "cosine", "constant"]
DType = Literal["float32", "float64", "float16", "bfloat16"]
Finish = Literal["none", "least_squares", "gauss_newton"]
Stop = Literal["loss", "contraction"]

PER_REPLICA = ("lr", "weight_decay", "noise", "init_scale", "seed")
"""Options that may differ between networks that are trained at once."""


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained.

    Batch size, optimizer and learning rate are part of what decides which examples are stored.

    Attributes:
        tol: Training loss, in squared units, that counts as interpolation.
        optimizer: adam, gradient_descent (with momentum; also sgd), rmsprop, lbfgs or gauss_newton.
        lr: Learning rate at first; default: 1e-3 for adam, 0.1 for gradient_descent, 3e-4 for
            rmsprop, 1 for lbfgs; gauss_newton has none.
        schedule: How the learning rate changes: plateau, cosine (to a hundredth, over max_steps) or
            constant.
        batch_size: Examples in each step; default: all of them.
        max_steps: Maximum number of optimizer steps.
        momentum: Momentum of gradient_descent.
        weight_decay: Weight decay, decoupled for adam (AdamW), otherwise an L2 penalty; lbfgs and
            gauss_newton have none.
        noise: Largest standard deviation of Gaussian noise on the inputs, in units; drawn uniformly
            from 0 to it for each example and step. With least_squares, the finish then waits for
            the last step.
        init_scale: Factor by which the weights are multiplied before the first step.
        seed: Random seed of the initial weights, the order of the examples, and dropout.
        unit: Scale of the examples; default: the width of their range.
        dtype: Floating-point type of the network; default: float32, or that of a given network.
        finish: What follows the optimizer, down to rounding: none, least_squares of a linear
            last layer (from 1e-3 on), or gauss_newton over all layers (from 1e-4 on).
        stop: What ends the optimizer: loss, or contraction (the spectral radii at the examples no
            longer change).

    Raises:
        MnemoscopeError: a value is out of range, or the optimizer has no such option; `field` names
            it.
    """

    tol: float = 1e-8
    optimizer: Optimizer = "adam"
    lr: float | None = None
    schedule: Schedule = "plateau"
    batch_size: int | None = None
    max_steps: int = 100_000
    momentum: float = 0.9
    weight_decay: float = 0.0
    noise: float = 0.0
    init_scale: float = 1.0
    seed: int = 0
    unit: float | None = None
    dtype: DType | None = None
    finish: Finish = "none"
    stop: Stop = "loss"

    def __post_init__(self) -> None:
        """Checks every value and converts it to its type."""
        optimizer = one_of("optimizer", self.optimizer, get_args(Optimizer))
        checked = {
            "tol": real_number("tol", self.tol, above=0),
            "optimizer": ALIASES.get(optimizer, optimizer),
            "lr": None if self.lr is None else real_number("lr", self.lr, above=0),
            "schedule": one_of("schedule", self.schedule, get_args(Schedule)),
            "batch_size": None
            if self.batch_size is None
            else whole_number("batch_size", self.batch_size, least=1),
            "max_steps": whole_number("max_steps", self.max_steps, least=1),
            "momentum": real_number("momentum", self.momentum, least=0, below=1),
            "weight_decay": real_number("weight_decay", self.weight_decay, least=0),
            "noise": real_number("noise", self.noise, least=0),
            "init_scale": real_number("init_scale", self.init_scale, above=0),
            "seed": checked_seed(self.seed),
            "unit": None if self.unit is None else real_number("unit", self.unit, above=0),
            "dtype": None if self.dtype is None else one_of("dtype", self.dtype, get_args(DType)),
            "finish": one_of("finish", self.finish, get_args(Finish)),
            "stop": one_of("stop", self.stop, get_args(Stop)),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.kind.lr is None and self.lr is not None:
            raise self._unsupported("lr", "no learning rate, since it has none")
        if self.kind.lr is None and self.schedule == "cosine":
            raise self._unsupported("schedule", "no schedule, since it has no learning rate")
        if self.weight_decay and not self.kind.decays:
            raise self._unsupported("weight_decay", "no weight decay, since it has none")
        if self.noise and self.kind.full_batch:
            raise self._unsupported(
                "noise", "no noise, since it compares losses of the same inputs"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "TrainingOptions":
        """Returns the options with these values, as a training record holds them.

        Raises:
            MnemoscopeError: there is no such option, or a value is out of range.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise MnemoscopeError(
                    f"a training option {name}",
                    expected=f"one of {', '.join(names)}",
                    todo=did_you_mean(name, names, otherwise=f"omit `{name}`"),
                    field=name,
                    choices=names,
                )
        return cls(**values)

    @property
    def kind(self) -> OptimizerKind:
        """The kind of the optimizer."""
        return OPTIMIZERS[self.optimizer]

    @property
    def first_rate(self) -> float:
        """The learning rate of the first step; 1 for an optimizer without one."""
        return self.lr or self.kind.lr or 1.0

    def resolved(self, examples: int, **known: Any) -> "TrainingOptions":
        """Returns the options with nothing left open for a number of examples.

        Args:
            examples: The number of examples, `n`.
            **known: Options that the data or the network decide: `unit`, `dtype`.

        Raises:
            MnemoscopeError: `batch_size` does not fit the examples or the optimizer.
        """
        size = examples if self.batch_size is None else self.batch_size
        whole_number("batch_size", size, least=1, most=examples)
        if self.kind.full_batch and size != examples:
            raise self._unsupported(
                "batch_size", "the full batch, since it compares losses of one and the same"
            )
        return replace(self, batch_size=size, lr=self.lr or self.kind.lr, **known)

    def _unsupported(self, name: str, expected: str) -> MnemoscopeError:
        return MnemoscopeError(
            f"{name}={getattr(self, name)!r} with {self.optimizer}",
            expected=expected,
            todo=f"omit `{name}`, or choose another optimizer",
            field=name,
        )


def with_changes(options: TrainingOptions | None, **changes: Any) -> TrainingOptions:
    """Returns the options, or the defaults, with every change that is not None."""
    return with_given(options or TrainingOptions(), **changes)
