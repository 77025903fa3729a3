import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm
from sklearn.metrics import roc_auc_score, roc_curve

import mnemoscope as mn
from mnemoscope.measure.roc import Curve, Ranked, resolvable, separations

VALUES = st.lists(
    st.one_of(st.integers(0, 4), st.floats(0, 1), st.just(float("inf"))), min_size=1, max_size=12
)


def ranked(member, other):
    return Ranked.of(np.array(member, float), np.array(other, float))


def separated(member, other, alphas=(0.01,), **options):
    scores = {"loss": ranked(member, other)}
    found = separations(scores, "loss", alphas, **{"resamples": 200, "seed": 0} | options)
    return found["loss"]


@settings(deadline=None)
@given(VALUES, VALUES)
def test_the_area_is_that_of_mann_and_whitney_and_of_scikit_learn(member, other):
    area = float(Curve.of(ranked(member, other)).area[0])
    big = [min(v, 99.0) for v in [*member, *other]]
    y = [1] * len(member) + [0] * len(other)
    assert area == pytest.approx(roc_auc_score(y, [-v for v in big]), abs=1e-12)
    # U counts the pairs in which the first sample is larger, ties half.
    U = mannwhitneyu(big[len(member) :], big[: len(member)], method="asymptotic").statistic
    assert area == pytest.approx(U / (len(member) * len(other)), abs=1e-12)


@settings(deadline=None)
@given(VALUES, VALUES, st.sampled_from([0.0, 0.1, 0.25, 0.5]))
def test_the_true_rate_is_the_best_point_of_scikit_learns_curve(member, other, alpha):
    rate = float(Curve.of(ranked(member, other)).true_rate(alpha)[0])
    y = [1] * len(member) + [0] * len(other)
    scores = [-min(v, 99.0) for v in [*member, *other]]
    fpr, tpr, _ = roc_curve(y, scores, drop_intermediate=False)
    assert rate == pytest.approx(tpr[fpr <= alpha + 1e-12].max())


def test_a_case_by_hand():
    # Members 1, 2, 4 and others 2, 3: of six pairs three are in order, one is a tie, two are not.
    curve = Curve.of(ranked([1, 2, 4], [2, 3]))
    assert float(curve.area[0]) == 3.5 / 6
    assert curve.true_rate(0.0)[0] == 1 / 3
    assert curve.true_rate(0.5)[0] == 2 / 3


def test_a_weighted_curve_is_that_of_the_states_repeated():
    weights = np.array([[0, 2, 1]]), np.array([[3, 1]])
    weighted = Curve.of(ranked([1, 2, 4], [2, 3]), *weights)
    repeated = Curve.of(ranked([2, 2, 4], [2, 2, 2, 3]))
    assert weighted.area[0] == repeated.area[0]
    assert weighted.true_rate(0.75)[0] == repeated.true_rate(0.75)[0]


def test_what_is_not_a_number_is_nobodys():
    assert float(Curve.of(ranked([0.0, 1.0], [np.nan, np.inf])).area[0]) == 1.0


@pytest.mark.slow
def test_intervals_hold_the_truth_nineteen_times_in_twenty():
    # Gaussian scores with means 0 and 1 apart: area Phi(1 / sqrt 2); TPR at 10% by the quantile.
    area, rate = norm.cdf(2**-0.5), norm.cdf(norm.ppf(0.1) + 1)
    rng = np.random.default_rng(0)
    draws, held = 200, np.zeros(2)
    for seed in range(draws):
        found = separated(rng.normal(0, 1, 50), rng.normal(1, 1, 80), (0.1,), seed=seed)
        for k, ((_, low, high), truth) in enumerate(((found.auc, area), (found.rates[0.1], rate))):
            held[k] += low <= truth <= high
    # Percentile intervals of 50 states fall a little short; three standard errors are 0.046.
    assert (held / draws >= 0.9).all()


def test_the_bootstrap_agrees_with_a_loop_over_resamples():
    rng = np.random.default_rng(1)
    member, other = rng.normal(0, 1, 40), rng.normal(0.5, 1, 60)
    found = separated(member, other, resamples=2000)
    y = [1] * 40 + [0] * 60
    areas = [
        roc_auc_score(y, -np.concatenate([rng.choice(member, 40), rng.choice(other, 60)]))
        for _ in range(300)
    ]
    # An end from 300 resamples has a standard error of 0.08 of the half-width: three of these.
    half = (found.auc[2] - found.auc[1]) / 2
    assert found.auc[1:] == pytest.approx(tuple(np.percentile(areas, [2.5, 97.5])), abs=0.25 * half)


def test_perfect_separation_of_few_states_is_not_certain():
    found = separated([0] * 5, [1] * 100)
    assert found.auc == (1.0, float(mn.wilson(5, 5)[0]), 1.0)
    assert found.rates[0.01] == (1.0, float(mn.wilson(5, 5)[0]), 1.0)
    assert separated([1] * 5, [0] * 100).auc[2] == float(mn.wilson(0, 5)[1])


def test_a_rate_beyond_resolution_is_at_no_false_positive_with_wilsons_interval():
    found = separated([0, 0, 2, 2], [1] * 50)
    assert not resolvable(0.01, 50)
    assert found.rates[0.01] == (0.5, *(float(end) for end in mn.wilson(2, 4)))
    assert resolvable(0.01, 100)
    assert resolvable(0.001, 1000)
    assert not resolvable(0.001, 999)


def test_gain_is_reported_on_the_same_resamples():
    scores = {"loss": ranked([1, 2], [2, 3]), "same": ranked([10, 20], [20, 30])}
    found = separations(scores, "loss", [0.01], resamples=50, seed=0)
    assert found["same"].gain == (0.0, 0.0, 0.0)


def test_numbers_do_not_depend_on_how_many_resamples_are_worked_on_at_once(monkeypatch):
    whole = separated([1, 2, 4], [2, 3], resamples=64)
    monkeypatch.setattr("mnemoscope.measure.roc.MEMORY", 5 * 64)
    assert separated([1, 2, 4], [2, 3], resamples=64) == whole
