"""A map that can only be evaluated: a remote service, an ONNX session, a function of NumPy arrays.

It has no derivatives. What needs them is measured from orbits instead
(`mnemoscope.dynamics.contraction`); all else works as for any map.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError


class BlackBox:
    """A function of NumPy arrays as a stage of a `SelfMap`.

    Args:
        evaluate: From an array `(n, *shape)` to one of the same shape.
        batch_size: The most states that it may be handed at once.

    Raises:
        MnemoscopeError: it gives no array of numbers.

    Example:
        >>> import mnemoscope as mn
        >>> f = mn.SelfMap(BlackBox(lambda z: z / 2), shape=(2,))
        >>> f(torch.ones(1, 2)), f.differentiable
        (tensor([[0.5000, 0.5000]]), False)
    """

    differentiable = False

    def __init__(
        self, evaluate: Callable[[np.ndarray], Any], *, batch_size: int | None = None
    ) -> None:
        self.evaluate = evaluate
        self.batch_size = batch_size

    def __call__(self, z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Returns the images, in the dtype and on the device of the states."""
        size = self.batch_size or max(1, len(z))
        return torch.cat([self._images(part) for part in z.split(size)]) if len(z) else z

    def _images(self, z: Tensor) -> Tensor:
        made = self.evaluate(z.detach().cpu().numpy())
        try:
            # A copy: what a session gives may be its own memory, to be written over.
            array = np.array(made, dtype=z.cpu().numpy().dtype)
        except (TypeError, ValueError) as error:
            raise MnemoscopeError(
                f"a function that gives a {type(made).__name__}",
                expected="an array of its input's shape",
                todo="give the reconstruction alone",
            ) from error
        return torch.from_numpy(array).to(z.device)
