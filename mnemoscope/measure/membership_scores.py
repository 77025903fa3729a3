"""Membership: do measurements at a state show whether it was in the training data?

Each measurement is a score, and its direction was decided before any was tried: training lowers it
at a member. The loss is fitted there; a map that memorizes contracts around its examples, so the
Jacobian is small; an example that is stored hardly moves when the map is iterated. Score
directions are fixed in advance; an area below 0.5 is reported as is.

The usual baseline is the reconstruction loss (Yeom et al. 2018; Carlini et al., *Membership
inference attacks from first principles*, 2022, whose rates at few false positives are given here
too). For a map fitted by mean squared error `residual` is its square root, so the two have one ROC.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.check import whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import wilson
from mnemoscope.base.text import plain
from mnemoscope.data import duplicates
from mnemoscope.dynamics.orbits import Status, iterate
from mnemoscope.dynamics.states import rms
from mnemoscope.linalg import decisive_spectrum, jacobian_singular_values
from mnemoscope.linalg.leading import SpectrumOptions
from mnemoscope.maps import SelfMap, check_map
from mnemoscope.maps.self_map import Stage
from mnemoscope.measure.examples import Examined
from mnemoscope.measure.options import AuditOptions, Tolerances
from mnemoscope.measure.roc import Curve, Ranked, Separation, resolvable, separations
from mnemoscope.measure.subject import Subject
from mnemoscope.measure.two_sample import LEAST, two_sample
from mnemoscope.results.summary import Membership as Summary
from mnemoscope.results.summary import Resolvable, Score, Scores, TwoSample
from mnemoscope.results.tables import BASELINE, MEMBERSHIP, ROC, SCORES

RATES = {"tpr_1": 0.01, "tpr_01": 0.001}
"""The false positive rates at which true positive rates are given."""

RESAMPLES = 2000
"""Bootstrap resamples: fifty lie beyond each end of a 95% interval."""

MOST_POINTS = 400
"""Corners of a ROC curve that are kept; of more, those with the fewest false positives."""


class DistributionWarning(UserWarning):
    """Held-out states and examples are of different distributions: scores may measure that."""


@dataclass(frozen=True)
class Membership:
    """How well scores separate members from held-out states.

    Attributes:
        table: A row for each state: `MEMBERSHIP`.
        roc: The curves: `ROC`.
        separations: Of each score.
        two_sample: Whether the states themselves differ; None with fewer than 10 of a kind.
        overlap: Held-out states that are examples too, entry for entry.
    """

    table: pl.DataFrame
    roc: pl.DataFrame
    separations: dict[str, Separation]
    two_sample: TwoSample | None
    overlap: int

    @property
    def members(self) -> int:
        """How many examples there are."""
        return int(self.table["member"].sum())

    @property
    def held_out(self) -> int:
        """How many held-out states there are."""
        return len(self.table) - self.members

    @property
    def best(self) -> str:
        """The score of the largest area; the baseline, where no other has a larger one.

        The largest of several estimates is too large on average. Whether a score beats the baseline
        is for its `gain`.
        """
        return max(
            self.separations,
            key=lambda name: (self.separations[name].auc[0], name == BASELINE),
        )

    @property
    def caveats(self) -> list[str]:
        """What a reader must know of the figures, a sentence each."""
        caveats = []
        if self.two_sample is None:
            caveats.append(
                f"Whether held-out data and examples are of one distribution was not tested: with "
                f"{self.members:,} and {self.held_out:,} there are fewer than {LEAST} of one."
            )
        elif self.two_sample.differs:
            caveats.append(
                f"Held-out data and examples differ in distribution: a classifier that never saw "
                f"the network separates them (accuracy {self.two_sample.accuracy:.0%}, by chance "
                f"{self.two_sample.chance:.0%}; p = {self.two_sample.p_value:.2g}). The scores "
                "may measure that instead of membership."
            )
        unresolved = [a for a in RATES.values() if not resolvable(a, self.held_out)]
        if unresolved:
            most = float(wilson(0, self.held_out)[1])
            caveats.append(
                f"{self.held_out} held-out states cannot resolve a false positive rate of "
                f"{' or '.join(f'{100 * a:g}%' for a in unresolved)}, which takes "
                f"{round(1 / min(unresolved)):,}: the true positive rate given there is at no "
                f"false positive at all, a rate of at most {most:.1%} (95%)."
            )
        if self.overlap:
            caveats.append(
                f"{self.overlap} of the held-out states {'is' if self.overlap == 1 else 'are'} "
                "among the examples, so no score can separate all of them."
            )
        return caveats

    def summary(self) -> Summary:
        """Returns the figures of each score, the test, and what to know of them."""
        scores = {}
        for name, separation in self.separations.items():
            values = {"auc": separation.auc, "gain": separation.gain}
            values |= {key: separation.rates[alpha] for key, alpha in RATES.items()}
            triples = {
                key + end: value
                for key, triple in values.items()
                for end, value in zip(("", "_low", "_high"), triple, strict=True)
            }
            scores[name] = Score(**plain(triples))
        return Summary(
            members=self.members,
            held_out=self.held_out,
            scores=Scores(**scores),
            baseline=BASELINE,
            best=self.best,
            resolvable=Resolvable(
                **{key: resolvable(alpha, self.held_out) for key, alpha in RATES.items()}
            ),
            overlap=self.overlap,
            two_sample=self.two_sample,
            caveats=tuple(self.caveats),
        )


def membership(
    f: Stage | SelfMap,
    X: Float[Tensor, "n *shape"],
    held_out: Float[Tensor, "h *shape"],
    tolerances: Tolerances | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    batch_size: int | None = None,
) -> Membership:
    """Measures how well scores at a state detect that it was in the training data.

    - `residual`: RMS of `f(z) - z`, in units;
    - `spectral_radius`, `operator_norm`: of the Jacobian at the state; missing for a map without
      derivatives, the latter also where products with the transposed one cannot be had;
    - `distance_moved`: RMS from the state to where its orbit ends, in units; infinite where it
      diverges;
    - `loss`: the mean squared error in squared units, the usual baseline.

    Areas, rates and intervals: `mnemoscope.measure.roc`. A classifier two-sample test decides
    whether the states differ by themselves: `mnemoscope.measure.two_sample`.

    Args:
        f: The network, a `SelfMap` or any callable that acts on a batch.
        X: `(n, *shape)`, what it was trained on.
        held_out: `(h, *shape)`, what it was not, of the same distribution.
        tolerances: How long orbits and spectra are computed.
        seed: Random seed of the resamples, the permutations and the folds.
        resamples: Number of bootstrap resamples.
        batch_size: States evaluated at once.

    Raises:
        MnemoscopeError: `X` or `held_out` is no batch of states or is empty, the map makes NaN or
            infinity of one of them, or an option is out of range.

    Warns:
        DistributionWarning: held-out states and examples differ in distribution.

    Example:
        >>> f = lambda z: z.round()
        >>> X = torch.tensor([[0.0], [1.0], [2.0]])
        >>> found = membership(f, X, X + 0.25)
        >>> found.separations["loss"].auc[0]
        1.0
    """
    whole_number("resamples", resamples, least=1)
    options = AuditOptions(tolerances=tolerances or Tolerances(), batch_size=batch_size)
    subject = Subject.of(f, X, options, held_out=held_out, seed=seed)
    check_map(subject.f, subject.X, finite=False)
    with subject.f.evaluating():
        return measure_membership(subject, None, resamples=resamples)


def measure_membership(
    subject: Subject, examined: Examined | None, *, resamples: int = RESAMPLES
) -> Membership:
    """Measures the scores at the examples and the held-out data, and judges them."""
    held_out = subject.held_out
    assert held_out is not None
    members = _measure(subject, subject.X, "the examples", examined)
    others = _measure(subject, held_out, "the held-out data", None)
    tables = _table(members, member=True), _table(others, member=False)
    return judge(pl.concat(tables), subject.X, held_out, seed=subject.seed, resamples=resamples)


def judge(
    table: pl.DataFrame,
    X: Float[Tensor, "n *shape"],
    held_out: Float[Tensor, "h *shape"],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Membership:
    """Judges scores that were measured."""
    members, others = table.filter("member"), table.filter(~pl.col("member"))
    ranked = {
        name: Ranked.of(members[name].to_numpy(), others[name].to_numpy())
        for name in SCORES
        if table[name].null_count() == 0
    }
    test = two_sample(X, held_out, seed=seed)
    found = Membership(
        table=table,
        roc=_roc(ranked),
        separations=separations(
            ranked, BASELINE, list(RATES.values()), resamples=resamples, seed=seed
        ),
        two_sample=test,
        overlap=sum(a < len(X) <= b for a, b in duplicates(torch.cat([X, held_out]))),
    )
    if test is not None and test.differs:
        warnings.warn(found.caveats[0], DistributionWarning, stacklevel=3)
    return found


def _measure(
    subject: Subject, Z: Tensor, name: str, known: Examined | None
) -> dict[str, Float[np.ndarray, " n"]]:
    """Computes every score that the map has, at each state, in float64."""
    f = subject.f
    residual = f.residual(Z) if known is None else known.residual
    if not bool(torch.isfinite(residual).all()):
        where = int((~torch.isfinite(residual)).nonzero()[0, 0])
        raise MnemoscopeError(
            f"a map that makes NaN or infinity of number {where} of {name}",
            expected="finite states with finite outputs",
            todo="repair the network's weights, or leave out that state",
        )
    values = {"residual": residual}
    # A value that did not converge is the best estimate there is, of either kind of state.
    limit: SpectrumOptions = {"max_products": subject.tolerances.max_products}
    if not f.by_values:
        values["spectral_radius"] = (
            decisive_spectrum(f, Z, **limit).radius if known is None else known.spectral_radius
        )
    if f.reversible:
        norm = None if known is None else known.operator_norm
        values["operator_norm"] = (
            jacobian_singular_values(f, Z, 1, **limit).radius if norm is None else norm
        )
    orbits = iterate(f, Z, **subject.orbits)
    values["distance_moved"] = torch.where(
        orbits.status == Status.DIVERGED, torch.inf, rms(orbits.end - Z) / f.unit
    )
    values["loss"] = residual.double().square()
    return {key: value.double().cpu().numpy() for key, value in values.items()}


def _table(values: dict[str, Float[np.ndarray, " n"]], *, member: bool) -> pl.DataFrame:
    n = len(values[BASELINE])
    columns = {"member": [member] * n, "index": range(n), **values}
    # What the map does not have is null.
    return pl.DataFrame({name: columns.get(name, [None] * n) for name in MEMBERSHIP}, MEMBERSHIP)


def _roc(scores: dict[str, Ranked]) -> pl.DataFrame:
    frames = [pl.DataFrame(schema=ROC)]
    for name, ranked in scores.items():
        curve = Curve.of(ranked)
        false, true = curve.false[0], curve.true[0]
        rows = _corners(false, true)
        points = {"fpr": false[rows] / false[-1], "tpr": true[rows] / true[-1]}
        frames.append(pl.DataFrame({"score": [name] * len(rows), **points}, schema=ROC))
    return pl.concat(frames)


def _corners(x: Int[np.ndarray, " t"], y: Int[np.ndarray, " t"]) -> Int[np.ndarray, " c"]:
    """Finds the points at which a curve turns; of too many the first half, then evenly spaced."""
    right, up = np.diff(x), np.diff(y)
    turn = right[:-1] * up[1:] != right[1:] * up[:-1]
    rows = np.flatnonzero(np.concatenate([[True], turn, [True]]))
    half = MOST_POINTS // 2
    if len(rows) <= MOST_POINTS:
        return rows
    rest = np.linspace(half, len(rows) - 1, MOST_POINTS - half).round().astype(int)
    return np.concatenate([rows[:half], rows[rest]])
