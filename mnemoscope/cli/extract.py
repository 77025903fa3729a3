"""`mnemoscope extract`: training examples out of the weights, with no data."""

import math
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import check_name, check_targets, publishing
from mnemoscope.cli.computing import check_device
from mnemoscope.cli.options import RUN_OPTIONS, Place, RunOptions, naming_options
from mnemoscope.cli.printing import duplicates_line, print_json, print_lines
from mnemoscope.cli.progress import progress
from mnemoscope.cli.reading import DATA_OPTIONS, DataOptions, read, refuse_without_data
from mnemoscope.cli.run_folder import INDEX, RunFolder, claimed
from mnemoscope.cli.target import Target, TargetOptions, open_target

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from torch import Tensor

    from mnemoscope.base.stats import Rate
    from mnemoscope.data.reading import Scale
    from mnemoscope.extraction import Extraction
    from mnemoscope.maps import SelfMap

SCORES = "scores.csv"
"""Precision and recall at each rank, if the training examples are known."""


@Parameter(name="*")
@dataclass(frozen=True)
class SearchOptions:
    """How much an extraction tries.

    Attributes:
        starts: Starts of each kind in each round.
        starts_from: A file with an array of further starts; default: none.
        limit: Maximum number of starts.
        seconds: Time limit (s); default: none.
        low: Least entry of the data, with --high; default: learned.
        high: Largest entry of the data; default: learned.
    """

    starts: int = 200
    starts_from: Place = None
    limit: int = 100_000
    seconds: float | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise MnemoscopeError(
                f"--low {self.low} with --high {self.high}",
                expected="both or neither",
                todo="pass both",
            )

    def run(
        self, f: "SelfMap", extra: "Tensor | None", *, seed: int, show: "Callable[[str], object]"
    ) -> "Extraction":
        """Extracts from a map, with further starts, and shows what was found so far."""
        from mnemoscope import extraction

        options = extraction.SearchOptions(
            max_seconds=math.inf if self.seconds is None else self.seconds,
            on_progress=lambda used, found: show(f"{used:>7,} starts  {found:>5,} attractors"),
        )
        return extraction.extract(
            f,
            starts=self.starts,
            extra=extra,
            span=None if self.low is None or self.high is None else (self.low, self.high),
            max_starts=self.limit,
            seed=seed,
            options=options,
        )


SEARCH_OPTIONS = SearchOptions()


def extract(
    target: TargetOptions,
    *,
    out: Place = None,
    data: Place = None,
    reading: DataOptions = DATA_OPTIONS,
    match_tol: float | None = None,
    search: SearchOptions = SEARCH_OPTIONS,
    run: RunOptions = RUN_OPTIONS,
) -> int:
    """Pull training examples out of the weights alone, likeliest first.

    Writes sheet.png, pictures/, table.csv and more into the folder. Uses no data: those
    that are passed only score what came out.

    Args:
        target: The target.
        reading: How the data are read.
        out: Folder to write to; default: runs/NAME-extracted, with the name of TARGET.
        data: The training examples, to score against; default: none.
        match_tol: Largest distance (RMS, as a share of the data's range) at which an attractor is a
            training example; default: 0.01.
        search: How much is tried.
        run: How it is carried out.
    """
    check_device(run.device)
    if data is None:
        refuse_without_data(reading, match_tol=match_tol)
    import torch

    from mnemoscope.dynamics.stored import MATCH_TOL, checked_match_tol
    from mnemoscope.extraction.extraction import extraction_files
    from mnemoscope.maps import check_map

    with naming_options(["match_tol"]):
        tolerance = MATCH_TOL if match_tol is None else checked_match_tol(match_tol)
    found = open_target(target, device=run.device)
    f = found.self_map()
    place = Path(out or Path("runs") / f"{found.name}-extracted")
    check_name(place)
    states = torch.rand(2, *f.shape, generator=torch.Generator().manual_seed(run.seed))
    check_map(f, f.clipped(f.batch(states)))
    X, rule = _known_data(found, f.shape, data, reading)
    extra = _starts_in(search.starts_from, f.shape, rule)
    settings = {"extracted": found.settings["audited"], **found.settings}
    with (
        claimed(place, settings, force=run.force) as folder,
        progress("extracting") as show,
        redirect_stdout(sys.stderr),
    ):
        check_targets(folder.path, [*extraction_files(), SCORES, INDEX])
        result = search.run(f, extra, seed=run.seed, show=show)
        scores = None if X is None else result.score(X, match_tol=tolerance)
        _write(folder, result, scores)
    record = {**result.summary, "estimates": result.estimates.to_dicts(), "folder": str(place)}
    if scores is not None and X is not None:
        record["score"] = {**_score(scores, len(X)), "match_tol": tolerance}
    _print(record, X, json=run.json)
    return 0


def _known_data(
    found: Target, shape: tuple[int, ...], data: str | None, reading: DataOptions
) -> "tuple[Tensor | None, Scale | None]":
    """Reads the training examples to score against, and the rule of their scale."""
    if data is None:
        return None, None
    examples = read(reading.record(data))[1]
    X = found.laid_out(examples.X)[0]
    _check_shape(X, shape, f"--data {data}", "choose others, or --size and --gray to fit")
    return X, examples.scale


def _print(record: dict[str, Any], X: "Tensor | None", *, json: bool) -> None:
    if json:
        print_json(record)
    else:
        print_lines(*([] if X is None else duplicates_line(X)), *_words(record))


def _starts_in(file: str | None, shape: tuple[int, ...], rule: "Scale | None") -> "Tensor | None":
    """Reads an array of starts, of any numbers: starts need not be in the data's range.

    Integers are read by the rule of the data, or by their own without data.
    """
    from mnemoscope.data.load import read_examples
    from mnemoscope.data.reading import Reading

    if file is None:
        return None
    if not Path(file).is_file():
        raise MnemoscopeError(
            f"--starts-from {file}",
            expected="a file with an array",
            todo="check the path, or save the starts with numpy.save",
        )
    starts = read_examples(Path(file), reading=Reading(scale=rule, strict=False)).X
    _check_shape(starts, shape, f"--starts-from {file}", "bring them to that shape")
    return starts


def _check_shape(Z: "Tensor", shape: tuple[int, ...], given: str, todo: str) -> None:
    if tuple(Z.shape[1:]) != shape:
        raise MnemoscopeError(
            f"{given}, of shape {tuple(Z.shape[1:])}",
            expected=f"the network's {shape}",
            todo=todo,
        )


def _write(folder: RunFolder, result: "Extraction", scores: "pl.DataFrame | None") -> None:
    """Writes everything to a stage first: what an earlier extraction left stays until then."""
    from mnemoscope.extraction.extraction import PICTURES, SHEET

    with publishing(claimed=True) as new:
        stage = new.folder(folder.path)
        result.save(stage)
        if scores is not None:
            with replacing(stage / SCORES) as file:
                scores.write_csv(file)
        folder.write_settings(stage)
        # Files that this extraction may not have.
        new.remove(folder.path, *(folder.path / name for name in (SCORES, SHEET, PICTURES)))


def _score(scores: "pl.DataFrame", examples: int) -> dict[str, Any]:
    """Returns the scores of all candidates together."""
    from mnemoscope.base.stats import Rate
    from mnemoscope.extraction.scoring import DUPLICATE, FOUND, NEAR, average_precision

    words, m = scores["match"], len(scores)
    hits = int(words.is_in([FOUND, NEAR]).sum())
    found, near = (int(scores[name][-1]) if m else 0 for name in ("found", "disclosed"))
    return {
        "precision": _rate(Rate.of(hits, m)),
        "recall": _rate(Rate.of(found, examples)),
        "disclosed": _rate(Rate.of(near, examples)),
        "duplicates": int((words == DUPLICATE).sum()),
        "average_precision": average_precision(scores),
    }


def _rate(rate: "Rate") -> dict[str, Any]:
    return {**asdict(rate), "rate": rate.rate}


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
