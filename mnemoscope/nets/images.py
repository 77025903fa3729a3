"""What the networks for images ask of a state's shape."""

from typing import Annotated

from pydantic import Field

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.spec import Count

ImageShape = Annotated[
    tuple[Count, Count, Count],
    Field(description="a tuple (channels, height, width) of whole numbers, 1 or more each"),
]
"""Channels, height and width of a state."""


def check_halvings(shape: tuple[int, int, int], times: int, *, field: str) -> None:
    """Makes sure that the height and width can be halved so often; `field` says how often.

    Raises:
        MnemoscopeError: the height or width is not divisible by `2**times`.
    """
    if shape[1] % 2**times or shape[2] % 2**times:
        raise MnemoscopeError(
            f"shape={shape} with {field}={times}",
            expected=f"a height and width divisible by 2**{times} = {2**times}",
            todo=f"pad or crop the pictures, or lower `{field}`",
        )
