"""Claims: what one is made of, and how they are found and run."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import polars as pl
import torch

from mnemoscope.base.check import one_of, whole_number
from mnemoscope.base.discovery import Registry
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.claims.design import IN_REGIME, Setting, rows_of
from mnemoscope.claims.rates import with_rate
from mnemoscope.plots import Figure
from mnemoscope.sweep.process_pool import Processes, WorkerLost

Verdict = Literal["holds", "fails", "not_applicable"]
Effort = Literal["quick", "default", "long"]
T = TypeVar("T")


@dataclass(frozen=True)
class Scale:
    """The effort with which a claim is run.

    Attributes:
        effort: `quick` (a few seconds, as the tests run it), `default`, or `long`.
        seeds: Number of seeds (default: the claim's own number).
        seed: The first seed.
        device: Where networks are trained.

    Raises:
        MnemoscopeError: the number of seeds is below 1.
    """

    effort: Effort = "default"
    seeds: int | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuses a number of seeds below 1."""
        if self.seeds is not None:
            whole_number("seeds", self.seeds, least=1)

    def choose(self, quick: T, default: T, long: T) -> T:
        """Returns the value for this effort."""
        return {"quick": quick, "default": default, "long": long}[self.effort]

    def range(self, quick: int, default: int, long: int) -> range:
        """Returns the seeds: the requested number, or the one of this effort."""
        count = self.seeds if self.seeds is not None else self.choose(quick, default, long)
        return range(self.seed, self.seed + count)


@dataclass(frozen=True)
class Check:
    """A number that theory predicts, and the same number measured.

    Attributes:
        what: The quantity, in words.
        predicted: The prediction: a value, or a bound.
        measured: The measurement.
        difference: Distance between both; for a bound the excess, 0 if there is none.
        tolerance: The largest difference with which the check holds, set beforehand.
        runs: Number of runs that interpolated and were measured; with none it is not applicable.
    """

    what: str
    predicted: float
    measured: float
    difference: float
    tolerance: float
    runs: int

    @property
    def verdict(self) -> Verdict:
        """Decides if the difference is within the tolerance; NaN never is."""
        if self.runs == 0:
            return "not_applicable"
        return "holds" if self.difference <= self.tolerance else "fails"


@dataclass(frozen=True)
class Regime:
    """The settings that a claim is about; only runs inside it decide the verdict.

    Which runs lie in it is their column `in_regime`, see `Setting`.

    Attributes:
        words: The settings: capacity for each number to be stored, width, depth, optimizer,
            first weights.
        source: Where they are taken from.
        tried: The number of candidate regimes that pilots ran, this one included.
    """

    words: str
    source: str
    tried: int = 1


@dataclass(frozen=True)
class Claim:
    """A claim of the literature, executable: a design, checks and figures.

    Attributes:
        number: Its place among the claims.
        name: As typed on the command line.
        statement: The claim in one sentence.
        source: The publication.
        tolerance: The tolerance and its reason, set before anything was measured.
        checks: Compares prediction and measurement, given the runs of the regime. Only runs that
            interpolated (column `interpolated`) may count.
        figures: Describes the charts of the runs.
        design: Yields the settings: networks to train, and what to measure of them.
        run: Makes the table of runs, for an experiment that is no list of settings; it has a row
            for each run, and the column `interpolated`.
        columns: Columns that only runs that interpolated have, with their types.
        rates: Rates to add to the table, as columns of counts and totals by name.
        note: States further results of the runs in a sentence or two.
        regime: The settings that it is about; None: all that are run.
        reach: States how far beyond the regime it holds, given all runs.
        seconds: What the default takes on one core, about; of several claims the longest begins
            first.
    """

    number: int
    name: str
    statement: str
    source: str
    tolerance: str
    checks: Callable[[pl.DataFrame], Iterable[Check]]
    figures: Callable[[pl.DataFrame], Sequence[Figure]]
    design: Callable[[Scale], Iterable[Setting]] | None = None
    run: Callable[[Scale], pl.DataFrame] | None = None
    columns: Mapping[str, pl.DataType] = field(default_factory=dict)
    rates: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    note: Callable[[pl.DataFrame], str] = lambda runs: ""
    regime: Regime | None = None
    reach: Callable[[pl.DataFrame], str] = lambda runs: ""
    seconds: float = 60.0

    def rows(self, scale: Scale) -> pl.DataFrame:
        """Runs the experiment; returns a row for each run."""
        if self.run is not None:
            runs = self.run(scale)
        else:
            settings = self.design(scale) if self.design is not None else ()
            runs = rows_of(settings, self.columns, device=scale.device)
        for name, (count, total) in self.rates.items():
            runs = with_rate(runs, count, total, name)
        return runs

    def judge(self, runs: pl.DataFrame, seconds: float = 0.0) -> "ClaimResult":
        """Checks the runs of the regime, and states the reach by all runs."""
        judged = runs.filter(IN_REGIME) if IN_REGIME in runs.columns else runs
        return ClaimResult(
            self, runs, tuple(self.checks(judged)), self.note(runs), seconds, self.reach(runs)
        )


@dataclass(frozen=True)
class ClaimResult:
    """A claim and its runs.

    Attributes:
        claim: The claim.
        runs: A row for each run, including those that did not interpolate (`interpolated`).
        checks: Prediction against measurement.
        note: Further results of the runs; may be empty.
        seconds: Duration (s).
        reach: How far beyond the regime the claim holds; may be empty.
    """

    claim: Claim
    runs: pl.DataFrame
    checks: tuple[Check, ...]
    note: str
    seconds: float
    reach: str = ""

    @property
    def name(self) -> str:
        """The claim's name."""
        return self.claim.name

    @property
    def verdict(self) -> Verdict:
        """It fails if a check fails; it is not applicable if no check is."""
        found = {check.verdict for check in self.checks}
        if "fails" in found:
            return "fails"
        return "holds" if "holds" in found else "not_applicable"

    @property
    def decisive(self) -> Check | None:
        """The check that exceeds its tolerance most or, if none fails, comes nearest to it."""
        for verdict in ("fails", "holds", "not_applicable"):
            those = [check for check in self.checks if check.verdict == verdict]
            if those:
                return max(those, key=_strain)
        return None

    @property
    def interpolated(self) -> int:
        """The number of runs that interpolated; only these are evidence."""
        return int(self.runs["interpolated"].sum())

    def figures(self) -> Sequence[Figure]:
        """Returns the charts of the runs; none without runs."""
        return self.claim.figures(self.runs) if self.runs.height else ()

    def row(self) -> dict[str, object]:
        """Returns the result as `mnemoscope claims --json` prints it."""
        check = self.decisive
        numbers = ("predicted", "measured", "difference", "tolerance")
        return {
            "name": self.name,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "regime": None if self.claim.regime is None else vars(self.claim.regime),
            "quantity": None if check is None else check.what,
            **{name: None if check is None else getattr(check, name) for name in numbers},
            "tolerance_reason": self.claim.tolerance,
            "verdict": self.verdict,
            "checks": [{**vars(check), "verdict": check.verdict} for check in self.checks],
            "runs": self.runs.height,
            "interpolated": self.interpolated,
            "note": self.note,
            "reach": self.reach,
            "seconds": self.seconds,
        }


def _strain(check: Check) -> float:
    if check.difference != check.difference:
        return float("inf")
    return check.difference / check.tolerance if check.tolerance > 0 else check.difference


CLAIMS = Registry(Claim, __name__, __file__, order=lambda claim: claim.number)
"""All claims by name, in the order of their numbers."""


def find_claim(name: str) -> Claim:
    """Returns the claim of this name."""
    return CLAIMS[one_of("claim", name, CLAIMS)]


def run_claim(claim: str | Claim, scale: Scale | None = None) -> ClaimResult:
    """Runs one claim.

    Args:
        claim: Its name, or itself.
        scale: The effort.

    Example:
        >>> result = run_claim("projection", Scale("quick"))
        >>> result.verdict
        'holds'
    """
    chosen = find_claim(claim) if isinstance(claim, str) else claim
    begun = time.perf_counter()
    runs = chosen.rows(scale or Scale())
    return chosen.judge(runs, time.perf_counter() - begun)


def run_claims(
    names: Iterable[str] = (),
    scale: Scale | None = None,
    *,
    workers: int = 1,
    on_change: Callable[[Sequence[Claim]], object] | None = None,
) -> Iterator[ClaimResult]:
    """Runs claims, and yields each result as soon as it is complete.

    One process runs them in order; several begin with those that take longest, so that none of
    them is left with a long one at the end.

    Args:
        names: Names of claims (default: all). They are looked up before the first is run.
        scale: The effort for each.
        workers: Number of processes, each with one thread; 1 runs them in this one.
        on_change: Called with the claims that are not complete, those that run first, at the
            beginning and after each but the last.

    Raises:
        MnemoscopeError: there is no claim of a name, or a process died.
    """
    chosen = [find_claim(name) for name in names] or list(CLAIMS.values())
    workers = min(whole_number("workers", workers, least=1), len(chosen))
    scale, show = scale or Scale(), on_change or (lambda left: None)
    if workers > 1:
        yield from _side_by_side(chosen, scale, workers, show)
        return
    for k, claim in enumerate(chosen):
        show(chosen[k:])
        yield run_claim(claim, scale)


def _side_by_side(
    chosen: Sequence[Claim],
    scale: Scale,
    workers: int,
    show: Callable[[Sequence[Claim]], object],
) -> Iterator[ClaimResult]:
    executor, complete = Processes(workers), False
    longest_first = sorted(chosen, key=lambda claim: -claim.seconds)
    try:
        left = {executor.submit(_timed, claim.name, scale): claim for claim in longest_first}
        show(list(left.values()))
        for future in as_completed(list(left)):
            claim = left.pop(future)
            try:
                yield claim.judge(*future.result())
            except WorkerLost as error:
                raise MnemoscopeError(
                    f"the process of the claim {claim.name}, which died",
                    expected="one that comes to its end",
                    todo="run the claim alone, on a machine with more memory",
                ) from error
            if left:
                show(list(left.values()))
        complete = True
    finally:
        executor.shutdown(cancel_futures=not complete)


def _timed(name: str, scale: Scale) -> tuple[pl.DataFrame, float]:
    """Makes the table of runs of a claim in another process, on one thread of its own."""
    torch.set_num_threads(1)
    result = run_claim(name, scale)
    return result.runs, result.seconds
