"""Training in a run's folder."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mnemoscope.base.errors import DivergenceError, MnemoscopeError
from mnemoscope.base.files import made, remove_left_behind
from mnemoscope.base.publishing import check_targets, publishing
from mnemoscope.cli.audit_folder import audit_files, screening_files
from mnemoscope.cli.invocation import command
from mnemoscope.cli.progress import training_progress
from mnemoscope.cli.run_folder import INDEX, RunFolder, write_index
from mnemoscope.training import TrainingOptions

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.nets import Spec, TrainingRecord
    from mnemoscope.training import Fit


def fit_in(
    folder: RunFolder, spec: "Spec", X: "Tensor", options: TrainingOptions, *, device: str
) -> "Fit":
    """Trains in a run's folder: continues from its checkpoint, and writes the network there."""
    import torch

    from mnemoscope.nets import save
    from mnemoscope.training import train

    dtype = getattr(torch, options.dtype or "float32")
    network = spec.build(seed=options.seed, dtype=dtype, device=device)
    check_targets(folder.path, [folder.network.name, INDEX])
    with training_in(folder):
        with training_progress(options.tol) as show:
            fit = train(network, X, options, checkpoint=folder.checkpoint, on_progress=show)
        source = folder.settings["data"]
        network.training_record = fit.record.model_copy(update={"source": source})
        with publishing(claimed=True) as new:
            stage = new.folder(folder.path)
            save(network, stage / folder.network.name)
            folder.write_settings(stage)
            old = _audits_of_another(folder, network.training_record)
            new.remove(folder.path, *folder.left(), *old)
        # Files that are not ours keep a folder.
        for emptied in sorted({path.parent for path in old}, reverse=True):
            with suppress(OSError):
                emptied.rmdir()
    return fit


@contextmanager
def training_in(folder: RunFolder) -> Iterator[None]:
    """Keeps the checkpoints of a training under way if it is interrupted.

    Without a checkpoint to continue from, and after divergence, nothing stays.
    """
    with made(folder.unfinished):
        remove_left_behind(folder.unfinished)
        diverged = False
        write_index(folder.unfinished, {"settings": folder.settings, "command": command()})
        try:
            yield
        except DivergenceError:
            diverged = True
            raise
        except KeyboardInterrupt as error:
            kept = folder.checkpoints()
            if not kept:
                raise
            raise MnemoscopeError(
                f"training interrupted; its state is kept in {kept[-1]}",
                expected="training to end",
                todo=f"to go on, run the same command again: {command()}",
            ) from error
        finally:
            if diverged or not folder.checkpoints():
                shutil.rmtree(folder.unfinished, ignore_errors=True)


def _audits_of_another(folder: RunFolder, record: "TrainingRecord") -> list[Path]:
    """Lists the files of audits of the network that was there before this one."""
    from mnemoscope.results.screen import SAMPLE

    old: list[Path] = []
    if _is_of_another(folder.audit, record):
        old += [folder.path / name for name in audit_files(folder)]
    if _is_of_another(folder.screen / SAMPLE, record):
        old += [folder.path / name for name in screening_files(folder)]
    return old


def _is_of_another(audit: Path, record: "TrainingRecord") -> bool:
    """Decides whether there is an audit, of a network with another training."""
    from mnemoscope.results import Audit

    try:
        audited = Audit.load(audit).provenance["training"]
    except (MnemoscopeError, KeyError):
        return False
    passing = {"seconds", "versions"}
    ours, theirs = (
        {name: value for name, value in one.items() if name not in passing}
        for one in (record.provenance(), audited or {})
    )
    return ours != theirs
