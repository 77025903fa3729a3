"""`mnemoscope store`: an associative memory of one's own data."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from mnemoscope.base.publishing import check_targets, publishing
from mnemoscope.cli.audit_folder import audit_files, write_audit
from mnemoscope.cli.computing import check_device
from mnemoscope.cli.invocation import command
from mnemoscope.cli.options import RUN_OPTIONS, Place, RunOptions, naming_options
from mnemoscope.cli.printing import (
    RECALLED,
    duplicates_line,
    finish_line,
    plain_table,
    print_audit,
    print_json,
    print_lines,
    printed_console,
)
from mnemoscope.cli.progress import training_progress
from mnemoscope.cli.reading import DATA_OPTIONS, DataOptions, anchored, read
from mnemoscope.cli.run_folder import INDEX, RunFolder, claimed
from mnemoscope.cli.training_folder import training_in

if TYPE_CHECKING:
    import polars as pl
    from torch import Tensor

    from mnemoscope.associative import Memory, StoreOptions


@Parameter(name="*", group=Group("Memory", sort_key=1))
@dataclass(frozen=True)
class MemoryOptions:
    """How examples are stored, and how much the audits of it try.

    Attributes:
        sequence: Store the examples as one cycle, in their order.
        width: Units of each hidden layer; default: a power of 2, at least twice the examples.
        depth: Weight layers.
        noise: Largest standard deviation of the noise on the inputs of training, in units; default:
            the distance between near examples, at most 0.2.
        steps: Optimizer steps of the first attempt; default: from the number of examples.
        attempts: Maximum number of attempts; the next one takes twice the steps with half the
            noise.
        compare: Compare with plain training and with a modern Hopfield network.
        starts: Starts of each distribution in an audit.
        trials: Corrupted copies of each example, for each corruption and strength.
    """

    sequence: bool = False
    width: int | None = None
    depth: int = 8
    noise: float | None = None
    steps: int | None = None
    attempts: int = 3
    compare: Annotated[bool, Parameter(negative="--no-compare")] = True
    starts: int = 200
    trials: int = 3

    def store_options(self) -> "StoreOptions":
        """Returns the options of `mn.store`."""
        from mnemoscope.associative import StoreOptions

        given = asdict(self)
        with naming_options(asdict(self)):
            tried = {name: given.pop(name) for name in ("starts", "trials")}
            del given["sequence"]
            options = StoreOptions(**given)
            return replace(options, audit=replace(options.audit, **tried))


MEMORY_OPTIONS = MemoryOptions()


def store(
    data: str,
    *,
    out: Place = None,
    reading: DataOptions = DATA_OPTIONS,
    memory: MemoryOptions = MEMORY_OPTIONS,
    run: RunOptions = RUN_OPTIONS,
) -> int:
    """Train an associative memory: a network that stores examples and recalls them.

    Writes network.safetensors, audit/, report.html and memories.csv, the table that compares it
    with plain training and a modern Hopfield network. Interrupted with Ctrl-C or killed, the same
    command continues from where it was.

    Args:
        data: Examples: digits, photos, a folder, a file, hf:NAME.
        out: Folder to write to; default: runs/store.
        reading: How the data are read.
        memory: What is stored, and how.
        run: How it is carried out.
    """
    check_device(run.device)
    options = memory.store_options()
    source, examples = read(reading.record(data))
    with claimed(
        out or "runs/store",
        _settings(anchored(source), examples.X, memory, options, seed=run.seed),
        force=run.force,
    ) as folder:
        result = _store_in(folder, examples.X, memory, options, run)
    if run.json:
        summary = result.audit.summary.model_dump(mode="json")
        files = {"network": folder.network, "report": folder.report, "audit": folder.audit}
        print_json(
            {
                **summary,
                "memories": result.table.to_dicts(),
                **{name: str(path) for name, path in files.items()},
            }
        )
        return 0
    spec = result.net.spec.model_dump()
    print_lines(
        f"Data: {examples.description}.",
        *duplicates_line(examples.X),
        f"A fully connected network of {spec['depth']} layers, width {spec['width']}, trained for "
        f"{result.fit.steps:,} steps, {result.fit.seconds:.1f} s.",
        *finish_line(result.fit),
        "",
    )
    print_audit(result.audit)
    _print_memories(result.table)
    print_lines("", f"Open {folder.report} in a browser; the table is in {folder.memories}.")
    return 0


def _settings(
    source: dict[str, Any],
    X: "Tensor",
    memory: MemoryOptions,
    options: "StoreOptions",
    *,
    seed: int,
) -> dict[str, Any]:
    """Returns the settings of the run: what was asked for, and what was chosen from the data."""
    from mnemoscope.associative import plan

    chosen = plan(X, options, seed=seed)
    # An attempt may differ in these from the first one.
    training = {
        name: value
        for name, value in asdict(chosen.training).items()
        if name not in ("noise", "max_steps", "lr")
    }
    return {
        "data": source,
        "spec": chosen.spec.model_dump(mode="json"),
        "training": training,
        "memory": asdict(memory),
    }


def _store_in(
    folder: RunFolder, X: "Tensor", memory: MemoryOptions, options: "StoreOptions", run: RunOptions
) -> "Memory":
    """Stores in a run's folder: continues from its checkpoints, and writes the results there."""
    from mnemoscope.associative import store as store_
    from mnemoscope.associative import store_sequence
    from mnemoscope.measure import AuditRun
    from mnemoscope.nets import save

    names = (folder.network.name, folder.memories.name, INDEX)
    check_targets(folder.path, [*names, *audit_files(folder)])
    source = folder.settings["data"]
    with training_in(folder):
        with training_progress(1e-8) as show:
            result = (store_sequence if memory.sequence else store_)(
                X,
                options,
                seed=run.seed,
                device=run.device,
                checkpoint=folder.unfinished,
                on_progress=show,
                run=AuditRun(folder.name, source, command()),
            )
        result.net.training_record = result.fit.record.model_copy(update={"source": source})
        with publishing(claimed=True) as new:
            stage = new.folder(folder.path)
            save(result.net, stage / folder.network.name)
            write_audit(result.audit, folder, stage)
            result.table.write_csv(stage / folder.memories.name)
            folder.write_settings(stage)
            new.remove(folder.path, *folder.left())
    return result


def _print_memories(table: "pl.DataFrame") -> None:
    """Prints a line for each memory: its bytes, what it stores, and what is recalled."""
    columns = {
        (kind, strength): words.removeprefix("recalled from ").removeprefix("recalled with ")
        for kind, strength, words in RECALLED
    }
    shown = plain_table(("", "bytes", "stored", "spurious", *columns.values()), words=("",))
    for (name,), own in table.group_by("memory", maintain_order=True):
        first = own.row(0, named=True)
        rates = {
            (row["corruption"], row["strength"]): f"{row['recalled']:.3f}"
            for row in own.iter_rows(named=True)
        }
        shown.add_row(
            str(name),
            f"{first['bytes']:,}",
            f"{first['stored']} of {first['examples']}",
            f"{first['spurious_share']:.3f}",
            *(rates.get(kind, "") for kind in columns),
        )
    with printed_console() as console:
        console.print("\nShares of starts at spurious attractors, and of copies recalled from:")
        console.print(shown)
