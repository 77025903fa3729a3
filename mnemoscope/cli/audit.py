"""`mnemoscope audit`: what a network has memorized."""

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.publishing import check_name
from mnemoscope.base.small_files import read_json
from mnemoscope.cli.audit_folder import HELD_OUT, anchored_place, audit_in
from mnemoscope.cli.exit import FOUND
from mnemoscope.cli.options import (
    Count,
    Device,
    FailOn,
    Force,
    Gray,
    Json,
    MatchTol,
    Offset,
    Out,
    Place,
    Seed,
    Size,
    Starts,
    Trials,
    check_device,
    match_tol_of,
)
from mnemoscope.cli.printing import duplicates_line, print_audit, print_json, print_lines
from mnemoscope.cli.reading import (
    NO_DATA_OPTIONS,
    TYPES,
    DataOptions,
    anchored,
    is_record,
    read,
    refuse_without_data,
)
from mnemoscope.cli.run_folder import RunFolder, claimed, claimed_again, refuse_changed
from mnemoscope.cli.screening import Printed, screen_in
from mnemoscope.cli.target import NO_OPTIONS, TARGET, ModelOptions, Target, open_target

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.data.reading import Examples
    from mnemoscope.nets import Network
    from mnemoscope.results.conditions import Condition


def audit(
    target: Annotated[str, Parameter(help=TARGET)],
    *,
    data: Annotated[
        Place, Parameter(help="The training examples; if left out, those the run tells of.")
    ] = None,
    n: Count = None,
    offset: Offset = 0,
    size: Size = None,
    gray: Gray = False,
    reading: DataOptions = NO_DATA_OPTIONS,
    held_out: Annotated[
        Place,
        Parameter(
            name=["--held-out", "--holdout"],
            help="Data not trained on: starts, control, non-members for membership scores; "
            "default: those of the audit before, or none.",
        ),
    ] = None,
    starts: Starts = 1000,
    trials: Trials = 10,
    max_steps: Annotated[int, Parameter(help="Steps after which an orbit is unsettled.")] = 10_000,
    max_products: Annotated[
        int, Parameter(help="Jacobian-vector products for the spectrum at an example.")
    ] = 2_000,
    match_tol: MatchTol = None,
    unit: Annotated[
        str | None,
        Parameter(
            help="Scale of the data, a number or per-feature; default: the range of the examples."
        ),
    ] = None,
    out: Annotated[
        Out,
        Parameter(help="Folder to write to; if left out the run's, for others runs/ and its name."),
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    fail_on: FailOn = None,
    force: Force = False,
    json: Json = False,
    screen: Annotated[
        bool,
        Parameter(
            negative=(),
            help="For large training sets: one pass over all examples (its cost is printed first), "
            "audits of a random sample and of the most suspicious ones.",
        ),
    ] = False,
    minutes: Annotated[
        float | None,
        Parameter(
            help="Plan the audit for this time (min): parts are timed, and what does not fit is "
            "left out and named in the verdict; default: all that is asked for."
        ),
    ] = None,
    model: ModelOptions = NO_OPTIONS,
) -> int:
    """Find out which examples a network has memorized, and write the report.

    Writes audit/ and report.html into the folder; a screening writes screen/.
    """
    check_device(device)
    from mnemoscope.measure import AuditOptions
    from mnemoscope.results.report_json import report_json

    conditions = _conditions(fail_on)
    scale = _unit(unit)
    _check_minutes(minutes, screen=screen, unit=scale)
    options = AuditOptions.of(
        starts=starts, trials=trials, max_steps=max_steps, max_products=max_products, unit=scale,
        match_tol=match_tol_of(match_tol),
    )  # fmt: skip
    found = open_target(target, model, device=device)
    run, network = found.run, found.network
    version = () if run is None else run.version
    if held_out is None and run is not None:
        held_out = _held_out_before(run)
    _check_measurable(conditions, held_out)
    if run is not None and network is not None and "audited" not in run.settings:
        _check_belongs(network, run)
    given = {"n": n, "offset": offset, "size": size, "gray": gray, **reading.given()}
    if data is None:
        refuse_without_data(given)
        source, examples = _known_data(network, run, target)
    else:
        source, examples = read(_fitted({"source": data, **given}, found))
        source = anchored(source)
    X, how = found.laid_out(examples.X)
    shape = tuple(X.shape[1:])
    f = found.self_map(shape)
    examples = replace(examples, X=X)
    taken = f"Data: {examples.description}{how}."
    fresh = None if held_out is None else _held_out(held_out, shape, examples)
    with ExitStack() as stack:
        if run is None or (out is not None and not _same(out, run.path)):
            settings = {**found.settings, "data": source}
            place = out or Path("runs") / found.name
            check_name(Path(place))
            run = stack.enter_context(claimed(place, settings, force=force))
        else:
            stack.enter_context(claimed_again(run))
            refuse_changed(run, version)
        recorded = {**source, **({} if held_out is None else {HELD_OUT: anchored_place(held_out)})}
        if screen:
            return screen_in(
                run, f, X, options, source=recorded, held_out=fresh, seed=seed,
                printed=Printed(taken, json=json, conditions=conditions),
            )  # fmt: skip
        result = audit_in(
            run, f, X, options, source=recorded, held_out=fresh, seed=seed, minutes=minutes
        )
    if json:
        report = {**result.summary.model_dump(mode="json"), **report_json(result)}
        print_json(
            {
                **report,
                "data": examples.description + how,
                "report": str(run.report),
                "audit": str(run.audit),
            }
        )
    else:
        print_lines(taken, *duplicates_line(X))
        print_audit(result)
        print_lines(str(run.report))
    failed = [condition for condition in conditions if condition.holds(result.summary)]
    if not json:
        print_lines(*(condition.explain(result.summary) for condition in failed))
    return FOUND if failed else 0


def _unit(text: str | None) -> float | Literal["per_feature"] | None:
    """Reads what --unit was given.

    Raises:
        MnemoscopeError: it is no number above 0, and not `per-feature`.
    """
    if text is None:
        return None
    if text.replace("_", "-") == "per-feature":
        return "per_feature"
    from mnemoscope.base.unit import checked_unit

    try:
        return checked_unit(float(text))
    except ValueError as error:
        raise MnemoscopeError(
            f"--unit {text}",
            expected="a number above 0, or per-feature",
            todo="omit it for the range of the examples",
        ) from error


def _check_minutes(
    minutes: float | None, *, screen: bool, unit: float | Literal["per_feature"] | None
) -> None:
    """Refuses, before any work, a time that cannot be planned for."""
    if minutes is None:
        return
    from mnemoscope.measure import Effort

    Effort(minutes)
    if screen or isinstance(unit, str):
        raise MnemoscopeError(
            f"--minutes {minutes:g} with {'--screen' if screen else '--unit per-feature'}",
            expected="an audit with one unit for all entries, of all examples or a sample",
            todo="omit one of the two",
        )


def _check_belongs(network: "Network", run: RunFolder) -> None:
    """Refuses a network that another run left: a run killed at its end, or two at the same time."""
    record, settings = network.training_record, run.settings
    trained = settings.get("training")
    if (
        record is None
        or not isinstance(trained, dict)
        or network.spec.model_dump(mode="json") != settings.get("spec")
        or record.source != settings.get("data")
        or any(
            value is not None and record.options.get(name) != value
            for name, value in trained.items()
        )
    ):
        raise MnemoscopeError(
            f"{run.network}, which was not trained as run.json beside it tells",
            expected="the network of that run",
            todo=f"run its mnemoscope train command again, or audit {run.network} itself",
        )


def _fitted(given: dict[str, Any], found: Target) -> dict[str, Any]:
    """The data asked for, in the size and colours of a model of pictures where none are given."""
    from mnemoscope.data.pictures import is_picture

    shape = found.model.shape
    if found.network is not None or shape is None or not is_picture(shape):
        return given
    square = shape[1] if shape[1] == shape[2] else None
    size = given["size"] or (None if _is_array(given["source"]) else square)
    return {**given, "size": size, "gray": given["gray"] or shape[0] == 1}


def _known_data(
    network: "Network | None", run: RunFolder | None, target: str
) -> "tuple[dict[str, Any], Examples]":
    """What the network was trained on, as the run or the network's own record tells."""
    from mnemoscope.base.provenance import checksum
    from mnemoscope.maps.layout import laid_out

    record = None if network is None else network.training_record
    known: Any = run.settings.get("data") if run is not None else None
    known = known or (None if record is None else record.source)
    if known is None:
        raise MnemoscopeError(
            f"{target}, which does not say what it was trained on",
            expected="its training examples",
            todo="pass --data",
        )
    if not is_record(known):
        raise MnemoscopeError(
            f"{target}, which says of its training examples {known}",
            expected=f"{', '.join(TYPES)}, as mnemoscope train writes them",
            todo="pass --data",
        )
    source, examples = read(known)
    states = None if network is None else laid_out(examples.X, network.spec.shape).states
    X = examples.X if states is None else states
    if (
        record is not None
        and record.source == known
        and (len(X) != record.examples or checksum(X) != record.data_checksum)
    ):
        raise MnemoscopeError(
            f"{known['source']}, whose examples have changed since {target} was trained on them",
            expected="the very examples",
            todo="train again, or pass --data to audit with those there are now",
        )
    return source, examples


def _is_array(source: str) -> bool:
    """Whether a source is a file of an array, which may hold no pictures at all."""
    from mnemoscope.data.pictures import is_picture_file

    return Path(source).is_file() and not is_picture_file(Path(source))


def _held_out(source: str, shape: tuple[int, ...], examples: "Examples") -> "Tensor":
    """Data of the network's shape that are not among its examples, read by the same rule.

    Pictures are brought to a square network's size, colours to a grey one's grey and grey to a
    colour one's three channels.
    """
    import torch

    from mnemoscope.data.load import read_examples
    from mnemoscope.data.pictures import is_picture, shaped
    from mnemoscope.data.reading import Reading
    from mnemoscope.maps.layout import laid_out

    pictures = is_picture(shape)
    size = shape[1] if pictures and shape[1] == shape[2] else None
    gray = pictures and shape[0] == 1
    reading = Reading(**examples.record, strict=False)
    try:
        if pictures and not _is_array(source):
            fresh = read_examples(source, size=size, gray=gray, reading=reading).X
        else:
            fresh = read_examples(source, reading=reading).X
            if pictures and is_picture(tuple(fresh.shape[1:])):
                fresh = shaped(fresh, size, gray, source)
        if is_picture(tuple(fresh.shape[1:])) and fresh.shape[1] == 1 and pictures:
            fresh = fresh.expand(-1, shape[0], -1, -1)
    except MnemoscopeError as error:
        raise MnemoscopeError(
            f"--held-out {error.given}", expected=error.expected, todo=error.todo
        ) from error
    if (states := laid_out(fresh, shape).states) is not None:
        fresh = states
    if tuple(fresh.shape[1:]) != shape:
        raise MnemoscopeError(
            f"--held-out {source}, of shape {tuple(fresh.shape[1:])}",
            expected=f"the network's {shape}, or pictures for a square network of pictures",
            todo="bring them to that shape",
        )
    known = {example.numpy().tobytes() for example in examples.X}
    new = torch.tensor([example.numpy().tobytes() not in known for example in fresh])
    if not new.any():
        raise MnemoscopeError(
            f"--held-out {source}, all of which are training examples",
            expected="data that were not trained on",
            todo="choose other data",
        )
    return fresh[new].contiguous()


def _same(out: str, path: Path) -> bool:
    return os.path.realpath(out) == os.path.realpath(path)


def _conditions(texts: list[str] | None) -> "tuple[Condition, ...]":
    from mnemoscope.results.conditions import parse_conditions

    return parse_conditions(texts or ())


def _check_measurable(conditions: "tuple[Condition, ...]", held_out: str | None) -> None:
    """Refuses, before any work, what cannot be measured."""
    for condition in conditions:
        if condition.needs_held_out and held_out is None:
            raise MnemoscopeError(
                f"--fail-on {condition.name} without --holdout",
                expected="data that were not trained on, for membership scores",
                todo="pass --holdout too",
            )


def _held_out_before(run: RunFolder) -> str | None:
    """What the audit that is there was held against: another one is not to forget it."""
    from mnemoscope.results.audit import KIND

    try:
        place = read_json(run.audit / KIND.index)["provenance"]["data"][HELD_OUT]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return place if isinstance(place, str) else None
