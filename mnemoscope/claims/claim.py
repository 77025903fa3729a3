"""What a claim is: a statement, an experiment, and checks of prediction against measurement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl
from altair.typing import ChartType

from mnemoscope.claims.scale import Scale

Verdict = Literal["holds", "fails", "not_applicable"]


@dataclass(frozen=True)
class Check:
    """One number that theory predicts, beside the same number measured.

    Attributes:
        what: The quantity, in words.
        predicted: What theory says: a value, or a bound.
        measured: What was found.
        difference: How far the measurement is from the prediction, as the tolerance counts it; of a
            bound, by how much it is overstepped, 0 if it is kept.
        tolerance: The largest difference with which the check holds, set beforehand.
        runs: How many runs that interpolated it rests on; with none it is not applicable.
    """

    what: str
    predicted: float
    measured: float
    difference: float
    tolerance: float
    runs: int

    @property
    def verdict(self) -> Verdict:
        """Whether the difference is within the tolerance; NaN never is."""
        if self.runs == 0:
            return "not_applicable"
        return "holds" if self.difference <= self.tolerance else "fails"


@dataclass(frozen=True)
class Evidence:
    """What a claim's experiment found.

    Attributes:
        checks: Prediction against measurement.
        runs: A row for each run, those that did not interpolate among them: the column
            `interpolated` tells, and only where it is true may a run count for a check.
        note: What one should know of it, in a sentence or two; empty if nothing.
    """

    checks: tuple[Check, ...]
    runs: pl.DataFrame
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim of the literature, executable.

    Attributes:
        number: Its place among the claims.
        name: As typed on the command line.
        statement: What is claimed, in one sentence.
        source: Where.
        tolerance: What counts as agreement, and why: written before anything was measured.
        experiment: Runs it.
        figure: Draws its runs.
    """

    number: int
    name: str
    statement: str
    source: str
    tolerance: str
    experiment: Callable[[Scale], Evidence]
    figure: Callable[[pl.DataFrame], ChartType]


@dataclass(frozen=True)
class ClaimResult:
    """A claim and what came of it.

    Attributes:
        claim: The claim.
        evidence: What its experiment found.
        seconds: How long it took.
    """

    claim: Claim
    evidence: Evidence
    seconds: float

    @property
    def name(self) -> str:
        """The claim's name."""
        return self.claim.name

    @property
    def verdict(self) -> Verdict:
        """It fails if a check fails; it is not applicable if no check is."""
        found = {check.verdict for check in self.evidence.checks}
        if "fails" in found:
            return "fails"
        return "holds" if "holds" in found else "not_applicable"

    @property
    def decisive(self) -> Check | None:
        """The check that comes nearest to its tolerance, or oversteps it furthest."""
        return decisive(self.evidence.checks)

    @property
    def runs(self) -> int:
        """All runs."""
        return self.evidence.runs.height

    @property
    def interpolated(self) -> int:
        """The runs that interpolated: the others prove nothing."""
        return int(self.evidence.runs["interpolated"].sum())

    def row(self) -> dict[str, object]:
        """As `mnemoscope claims --json` prints it."""
        check = self.decisive
        return {
            "name": self.name,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "quantity": None if check is None else check.what,
            "predicted": None if check is None else check.predicted,
            "measured": None if check is None else check.measured,
            "difference": None if check is None else check.difference,
            "tolerance": None if check is None else check.tolerance,
            "tolerance_reason": self.claim.tolerance,
            "verdict": self.verdict,
            "checks": [{**vars(check), "verdict": check.verdict} for check in self.evidence.checks],
            "runs": self.runs,
            "interpolated": self.interpolated,
            "note": self.evidence.note,
            "seconds": self.seconds,
        }


def decisive(checks: Sequence[Check]) -> Check | None:
    """Of the checks that fail, or else of those that hold, the one furthest for its tolerance."""
    for verdict in ("fails", "holds", "not_applicable"):
        those = [check for check in checks if check.verdict == verdict]
        if those:
            return max(those, key=_strain)
    return None


def _strain(check: Check) -> float:
    if check.difference != check.difference:
        return float("inf")
    return check.difference / check.tolerance if check.tolerance > 0 else check.difference
