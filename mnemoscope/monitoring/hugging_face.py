"""A monitor in the training loop of Hugging Face's `Trainer`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mnemoscope.base.errors import MnemoscopeError

if TYPE_CHECKING:
    from transformers import TrainerCallback


def trainer_callback(monitor: Callable[..., None]) -> "TrainerCallback":
    """Builds a callback that calls the monitor after each optimizer step.

    In a distributed training the first process records, of its own copy.

    Raises:
        MnemoscopeError: transformers is not installed.
    """
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise MnemoscopeError(
            "a monitor for Hugging Face's Trainer, without the package `transformers`",
            expected="transformers and accelerate",
            todo="pip install 'transformers[torch]'",
        ) from error

    class MonitorCallback(TrainerCallback):
        """Calls a monitor after each optimizer step."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.is_world_process_zero:
                monitor(kwargs["model"], step=state.global_step)

    return MonitorCallback()
