"""`mnemoscope extract`: training examples out of the weights, with no data."""

import math
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import check_name, check_targets, publishing
from mnemoscope.cli.options import (
    Count,
    Device,
    Force,
    Gray,
    Json,
    MatchTol,
    Offset,
    Out,
    Place,
    Seed,
    Size,
    check_device,
    match_tol_of,
)
from mnemoscope.cli.printing import duplicates_line, print_json, print_lines
from mnemoscope.cli.progress import extraction_progress
from mnemoscope.cli.reading import NO_DATA_OPTIONS, DataOptions, read, refuse_without_data
from mnemoscope.cli.run_folder import INDEX, RunFolder, claimed
from mnemoscope.cli.target import NO_OPTIONS, TARGET, ModelOptions, open_target

if TYPE_CHECKING:
    import polars as pl
    from torch import Tensor

    from mnemoscope.data.reading import Scale
    from mnemoscope.extraction import Extraction

SCORES = "scores.csv"
"""Precision and recall at each rank, where the training examples are known."""


def extract(
    target: Annotated[str, Parameter(help=TARGET)],
    *,
    out: Annotated[
        Out,
        Parameter(help="Folder to write to; runs/NAME-extracted if left out, of TARGET's name."),
    ] = None,
    data: Annotated[
        Place, Parameter(help="The training examples, to score against; none if left out.")
    ] = None,
    n: Count = None,
    offset: Offset = 0,
    size: Size = None,
    gray: Gray = False,
    reading: DataOptions = NO_DATA_OPTIONS,
    match_tol: MatchTol = None,
    starts: Annotated[int, Parameter(help="Starts of each kind in each round.")] = 200,
    starts_from: Annotated[
        Place,
        Parameter(help="A file with an array of further starts of your own; none if left out."),
    ] = None,
    limit: Annotated[int, Parameter(help="Starts after which to stop anyway.")] = 100_000,
    seconds: Annotated[
        float | None, Parameter(help="Time after which to stop anyway; none if left out.")
    ] = None,
    low: Annotated[
        float | None, Parameter(help="Least entry of the data; with --high. Learned if left out.")
    ] = None,
    high: Annotated[
        float | None, Parameter(help="Largest entry of the data; learned if left out.")
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    force: Force = False,
    json: Json = False,
    model: ModelOptions = NO_OPTIONS,
) -> int:
    """Pull training examples out of the weights alone, likeliest first.

    Writes sheet.png, pictures/, table.csv and more into the folder. Uses no data: those
    that are passed only score what came out.
    """
    check_device(device)
    if (low is None) != (high is None):
        raise MnemoscopeError(
            f"--low {low} with --high {high}", expected="both or neither", todo="pass both"
        )
    if data is None:
        selection = {"n": n, "offset": offset, "size": size, "gray": gray}
        refuse_without_data({**selection, **reading.given(), "match-tol": match_tol})
    tolerance = match_tol_of(match_tol)
    import torch

    from mnemoscope.extraction import SearchOptions
    from mnemoscope.extraction import extract as extract_from
    from mnemoscope.extraction.extraction import extraction_files
    from mnemoscope.maps import check_map

    found = open_target(target, model, device=device)
    f = found.self_map()
    place = out or Path("runs") / f"{found.name}-extracted"
    check_name(Path(place))
    states = torch.rand(2, *f.shape, generator=torch.Generator().manual_seed(seed))
    check_map(f, f.clipped(f.batch(states)))
    X, rule = None, reading.given().get("scale")
    if data is not None:
        given = {"source": data, "n": n, "offset": offset, "size": size, "gray": gray}
        examples = read({**given, **reading.given()})[1]
        X, rule = found.laid_out(examples.X)[0], examples.scale
        _check_shape(X, f.shape, "--data", data)
    extra = None if starts_from is None else _starts_in(starts_from, f.shape, rule)
    settings = {"extracted": found.settings["audited"], **found.settings}
    with (
        claimed(place, settings, force=force) as folder,
        extraction_progress() as show,
        redirect_stdout(sys.stderr),
    ):
        check_targets(folder.path, [*extraction_files(), SCORES, INDEX])
        options = SearchOptions(
            max_seconds=math.inf if seconds is None else seconds, on_progress=show
        )
        result = extract_from(
            f,
            starts=starts,
            extra=extra,
            span=None if low is None or high is None else (low, high),
            max_starts=limit,
            seed=seed,
            options=options,
        )
        scores = None if X is None else result.score(X, match_tol=tolerance)
        _write(folder, result, scores)
    record = {**result.summary, "estimates": result.estimates.to_dicts(), "folder": str(place)}
    if scores is not None and X is not None:
        record["score"] = {**_score(scores, len(X)), "match_tol": tolerance}
    if json:
        print_json(record)
    else:
        print_lines(*([] if X is None else duplicates_line(X)), *_words(record))
    return 0


def _starts_in(file: str, shape: tuple[int, ...], rule: "Scale | None") -> "Tensor":
    """The array in a file, of any numbers: starts need not be in the data's range.

    Integers are read by the rule of the data, or by their own where there are none.
    """
    from mnemoscope.data.load import read_examples
    from mnemoscope.data.reading import Reading

    if not Path(file).is_file():
        raise MnemoscopeError(
            f"--starts-from {file}",
            expected="a file with an array",
            todo="check the path, or save the starts with numpy.save",
        )
    starts = read_examples(Path(file), reading=Reading(scale=rule, strict=False)).X
    _check_shape(starts, shape, "--starts-from", file)
    return starts


def _check_shape(Z: "Tensor", shape: tuple[int, ...], option: str, given: str) -> None:
    if tuple(Z.shape[1:]) != shape:
        raise MnemoscopeError(
            f"{option} {given}, of shape {tuple(Z.shape[1:])}",
            expected=f"the network's {shape}",
            todo="choose others, or --size and --gray to fit"
            if option == "--data"
            else "bring them to that shape",
        )


def _write(folder: RunFolder, result: "Extraction", scores: "pl.DataFrame | None") -> None:
    """Everything, written aside first: what an earlier one left stays whole until then."""
    from mnemoscope.extraction.extraction import PICTURES, SHEET

    with publishing(claimed=True) as new:
        stage = new.folder(folder.path)
        result.save(stage)
        if scores is not None:
            with replacing(stage / SCORES) as file:
                scores.write_csv(file)
        folder.write_settings(stage)
        # What this one may not have.
        new.remove(folder.path, *(folder.path / name for name in (SCORES, SHEET, PICTURES)))


def _score(scores: "pl.DataFrame", examples: int) -> dict[str, Any]:
    """The scores of all candidates together."""
    from mnemoscope.base.stats import wilson
    from mnemoscope.extraction.scoring import DUPLICATE, FOUND, NEAR, average_precision

    if scores.is_empty():
        hits = found = near = duplicates = 0
    else:
        words = scores["match"]
        hits = int(words.is_in([FOUND, NEAR]).sum())
        duplicates = int((words == DUPLICATE).sum())
        found, near = int(scores["found"][-1]), int(scores["disclosed"][-1])
    return {
        "precision": _rate(hits, len(scores), wilson(hits, len(scores))),
        "recall": _rate(found, examples, wilson(found, examples)),
        "disclosed": _rate(near, examples, wilson(near, examples)),
        "duplicates": duplicates,
        "average_precision": average_precision(scores),
    }


def _rate(count: int, total: int, interval: tuple[Any, Any]) -> dict[str, Any]:
    low, high = interval
    rate = count / total if total else math.nan
    return {"count": count, "total": total, "rate": rate, "low": float(low), "high": float(high)}


def _words(record: dict[str, Any]) -> list[str]:
    every = record["estimates"][-1]
    lines = [
        f"{record['candidates']:,} candidates from {record['attractors']:,} attractors, by "
        f"{record['starts']:,} starts in {record['seconds']:.1f} s ({record['stopped']}).",
        f"Attractors in all, by Chao's estimate: {every['total']:.0f} "
        f"(95% {every['low']:.0f} – {every['high']:.0f}). A further start finds a new one in fewer "
        f"than {record['unseen_below']:.2g} of all cases (95%).",
    ]
    if record["range"] == "learned" and (record["low"], record["high"]) != (0, 1):
        lines.append(
            f"Range of the data, as learned: {record['low']:g} to {record['high']:g} "
            "(--low and --high set it)."
        )
    if "score" in record:
        precision, recall = record["score"]["precision"], record["score"]["recall"]
        near = record["score"]["disclosed"]
        lines.append(
            f"Training examples found: {_rate_text(recall)}. Of the candidates, training examples: "
            f"{_rate_text(precision)}."
        )
        if near["count"] > recall["count"]:
            lines.append(f"Training examples disclosed: {_rate_text(near)}.")
        if precision["count"]:
            average = record["score"]["average_precision"]
            lines.append(f"Average precision of the ranking: {average:.3f}.")
    return [*lines, record["folder"]]


def _rate_text(rate: dict[str, Any]) -> str:
    return f"{rate['count']:,} of {rate['total']:,} (95% {rate['low']:.3f} – {rate['high']:.3f})"
