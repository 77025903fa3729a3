"""A monitor in Lightning's training loop."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mnemoscope.base.errors import MnemoscopeError

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback


def lightning_callback(monitor: Callable[..., None]) -> "Callback":
    """Builds a callback that calls the monitor after each batch, with the optimizer step.

    In a distributed training the first process records, of its own copy.

    Raises:
        MnemoscopeError: Lightning is not installed.
    """

    class MonitorCallback(_callback_class()):
        """Calls a monitor after each training batch."""

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            if trainer.is_global_zero:
                monitor(pl_module, step=trainer.global_step)

    return MonitorCallback()


def _callback_class() -> Any:
    # Whoever trains with the older package has imported that, and not the other.
    if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
        return sys.modules["pytorch_lightning"].Callback
    try:
        from lightning.pytorch.callbacks import Callback
    except ImportError as error:
        raise MnemoscopeError(
            "a monitor for Lightning, without the package `lightning`",
            expected="Lightning 2",
            todo="pip install lightning",
        ) from error
    return Callback
