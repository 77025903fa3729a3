"""A monitor in the training loops of Lightning and of Hugging Face's `Trainer`.

In a distributed training the first process records, of its own copy.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mnemoscope.base.errors import MnemoscopeError

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from transformers import TrainerCallback


def lightning_callback(monitor: Callable[..., None]) -> "Callback":
    """Builds a callback that calls the monitor after each batch, with the optimizer step."""

    class MonitorCallback(_lightning_base()):
        """Calls a monitor after each training batch."""

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            if trainer.is_global_zero:
                monitor(pl_module, step=trainer.global_step)

    return MonitorCallback()


def trainer_callback(monitor: Callable[..., None]) -> "TrainerCallback":
    """Builds a callback that calls the monitor after each optimizer step."""
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise _missing("Hugging Face's Trainer", "transformers", "'transformers[torch]'") from error

    class MonitorCallback(TrainerCallback):
        """Calls a monitor after each optimizer step."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.is_world_process_zero:
                monitor(kwargs["model"], step=state.global_step)

    return MonitorCallback()


def _lightning_base() -> Any:
    # A program that trains with the older package has imported that, and not the other.
    if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
        return sys.modules["pytorch_lightning"].Callback
    try:
        from lightning.pytorch.callbacks import Callback
    except ImportError as error:
        raise _missing("Lightning", "lightning", "lightning") from error
    return Callback


def _missing(loop: str, package: str, install: str) -> MnemoscopeError:
    return MnemoscopeError(
        f"a monitor for {loop}, without the package `{package}`",
        expected=f"the package `{package}`",
        todo=f"pip install {install}",
    )
