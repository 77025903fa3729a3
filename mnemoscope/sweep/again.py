"""`train_again`: trains the network of a run again, from its row."""

from collections.abc import Sequence

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import Network
from mnemoscope.sweep.configuration import Configuration
from mnemoscope.sweep.fitting import fit, network_of


def train_again(
    configuration: str | Configuration,
    *,
    group: Sequence[str | Configuration] = (),
    device: str = "cpu",
) -> Network:
    """Trains the network of a run again.

    With its whole group, on a machine and with a number of threads as before, it is the same one.
    By itself it differs by rounding, which long training magnifies: a loss of 6e-8 after 20,000
    steps became 3e-8.

    Args:
        configuration: The run's, or the column `configuration` of its row.
        group: The configurations of all runs of its group in their order, it among them; see
            `mnemoscope.sweep.loading.group_rows`. Default: it is trained by itself.
        device: Device to train it on.

    Raises:
        MnemoscopeError: its examples are no longer there, it is not in the group, or it diverges.

    Example:
        >>> from mnemoscope.sweep.configured import configuration
        >>> data = {"source": "digits", "n": 2}
        >>> run = configuration({"width": 16, "depth": 2}, data, {}, {}, seed=0)
        >>> train_again(run).spec.depth
        2
    """
    wanted = _read(configuration)
    runs = [_read(one) for one in group] or [wanted]
    if wanted not in runs:
        raise MnemoscopeError(
            "a run that is not in its group",
            expected="the configurations of all runs that trained together",
            todo="leave `group` out",
        )
    found = fit(runs, [True] * len(runs), device=device, say=lambda line: None)
    row = runs.index(wanted)
    if row not in found.rows:
        raise MnemoscopeError(
            f"the run of seed {wanted.seed}, which diverges",
            expected="one that can be trained",
            todo="choose another one",
        )
    return network_of(found, runs, row)


def _read(configuration: str | Configuration) -> Configuration:
    if not isinstance(configuration, str | Configuration):
        raise MnemoscopeError(
            f"a row of a damaged table, whose configuration is {configuration}",
            expected="what a sweep wrote into that column",
            todo="choose another row, or run the sweep again",
        )
    known = (
        Configuration.from_json(configuration) if isinstance(configuration, str) else configuration
    )
    return known.only_trained()
