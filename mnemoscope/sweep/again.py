"""`train_again`: the network of a run, from its row."""

from mnemoscope.errors import MnemoscopeError
from mnemoscope.nets import Network
from mnemoscope.sweep.configuration import Configuration
from mnemoscope.sweep.fitting import fit


def train_again(configuration: str | Configuration, *, device: str = "cpu") -> Network:
    """Trains the network of a run anew: the same one, but for rounding.

    Args:
        configuration: The run's, or the column `configuration` of its row.
        device: Where to train it.

    Raises:
        MnemoscopeError: its examples are no longer there, or it diverges.

    Example:
        >>> from mnemoscope.sweep.configured import configuration
        >>> data = {"source": "digits", "n": 2}
        >>> run = configuration({"width": 16, "depth": 2}, data, {}, {}, seed=0)
        >>> train_again(run).spec.depth
        2
    """
    known = (
        Configuration.from_json(configuration) if isinstance(configuration, str) else configuration
    )
    alone = known.only_trained()
    found = fit([alone], [True], device=device, say=_silent)
    if found.replicas is None:
        raise MnemoscopeError(
            f"the run of seed {known.seed}, which diverges",
            expected="one that can be trained",
            todo="choose another one",
        )
    return found.replicas[0]


def _silent(line: str) -> None:
    return
