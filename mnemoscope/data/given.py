"""Examples as a caller passes them: a tensor, or a dataset that is read whole."""

from typing import Any

from torch import Tensor

from mnemoscope.data.sources.in_memory import is_dataset


def given_examples(X: Any) -> Tensor:
    """Returns a tensor as it is, and the examples of a `Dataset` or a `DataLoader` as one."""
    if not is_dataset(X):
        return X
    # Imported here: a tensor, which is the rule, needs no reader.
    from mnemoscope.data.load import read_examples

    return read_examples(X).X
