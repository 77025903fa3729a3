import warnings

import numpy as np
import pytest
import torch
from polars.testing import assert_frame_equal

import mnemoscope as mn
from mnemoscope.dynamics import Atlas
from mnemoscope.measure.examples import examine
from mnemoscope.measure.membership_scores import (
    MOST_POINTS,
    RATES,
    DistributionWarning,
    _corners,
    measure_membership,
    membership,
)
from mnemoscope.measure.subject import Subject
from mnemoscope.results.summary import Membership, Resolvable
from mnemoscope.results.tables import MEMBERSHIP, ROC, SCORES


def unseen(n):
    return mn.load_data("digits", n=5 + n)[5:]


@pytest.fixture(scope="module")
def found(trained, digits):
    return membership(trained, digits, unseen(40), resamples=200)


def test_every_score_is_what_its_name_says(trained, digits, found):
    states = torch.cat([digits, unseen(40)])
    f = mn.SelfMap(trained)
    moved = (mn.iterate(f, states).end - states).flatten(1).square().mean(1).sqrt()
    expected = {
        "residual": f.residual(states),
        "spectral_radius": mn.spectral_radius(f, states),
        "operator_norm": mn.operator_norm(f, states),
        "distance_moved": moved,
        "loss": f.residual(states) ** 2,
    }
    for name in SCORES:
        assert found.table[name].to_list() == pytest.approx(
            expected[name].tolist(), rel=1e-4, abs=1e-7
        )


def test_the_tables_have_their_columns(found):
    assert dict(found.table.schema) == MEMBERSHIP
    assert dict(found.roc.schema) == ROC
    assert found.table["member"].to_list() == [True] * 5 + [False] * 40
    assert found.table["index"].to_list() == [*range(5), *range(40)]


def test_an_interpolated_network_gives_its_members_away(found):
    assert found.separations["loss"].auc[0] == 1.0
    assert found.separations["spectral_radius"].auc[0] > 0.9


def test_the_residual_has_the_curve_of_the_loss(found):
    curves = found.roc.partition_by("score", as_dict=True, include_key=False)
    assert_frame_equal(curves["loss",], curves["residual",])
    assert found.separations["residual"].gain == (0.0, 0.0, 0.0)


def test_the_baseline_is_best_where_no_other_is_better(found):
    assert found.best == "loss"


def test_the_summary_is_json_with_every_figure(found):
    summary = found.summary()
    assert Membership.model_validate_json(summary.model_dump_json()) == summary
    assert (summary.members, summary.held_out) == (5, 40)
    assert list(summary.scores.known()) == list(found.separations)
    for figures in summary.scores.known().values():
        for key in ("auc", *RATES):
            assert getattr(figures, f"{key}_low") <= getattr(figures, key)
            assert getattr(figures, key) <= getattr(figures, f"{key}_high")
    assert summary.resolvable == Resolvable(tpr_1=False, tpr_01=False)


def test_what_few_states_cannot_tell_is_reported(found):
    assert found.two_sample is None
    message = " ".join(found.caveats)
    assert "fewer than 10" in message
    assert "40 held-out states cannot resolve a false positive rate of 1% or 0.1%" in message
    # None of 40: Wilson's upper end.
    assert "at most 8.8% (95%)" in message


def test_a_constant_map_tells_nobody_from_anybody():
    # All states are as far from their image on average: members and others are of one law.
    X = torch.randn(400, 4, generator=torch.Generator().manual_seed(0))
    found = membership(lambda z: 0 * z, X[:200], X[200:], resamples=200)
    for separation in found.separations.values():
        _, low, high = separation.auc
        assert low <= 0.5 <= high
    # The Jacobian is 0 everywhere: nothing but ties.
    assert found.separations["spectral_radius"].auc == (0.5, 0.5, 0.5)
    assert found.separations["spectral_radius"].rates[0.01][0] == 0.0


def test_an_orbit_that_diverges_has_moved_infinitely_far():
    X = torch.tensor([[0.0], [0.0], [1.0]])
    found = membership(lambda z: 2 * z, X[:2], X[2:])
    assert found.table["distance_moved"].to_list() == [0.0, 0.0, float("inf")]
    assert found.separations["distance_moved"].auc[0] == 1.0


def test_a_map_without_derivatives_has_no_scores_of_them():
    def halve(z):
        return z / 2

    halve.differentiable = False
    found = membership(halve, torch.zeros(3, 2), torch.ones(4, 2))
    assert list(found.separations) == ["residual", "distance_moved", "loss"]
    assert found.table["spectral_radius"].is_null().all()
    assert dict(found.table.schema) == MEMBERSHIP


def test_held_out_data_of_another_distribution_are_reported(trained, digits):
    dark = unseen(40) / 2
    with pytest.warns(DistributionWarning, match="differ in distribution"):
        found = membership(trained, unseen(40), dark, resamples=20)
    assert found.two_sample is not None
    assert found.summary().two_sample.differs
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # At random: the file has the ten digits in turn, so every other one is even.
        rows = torch.randperm(40, generator=torch.Generator().manual_seed(0))
        membership(trained, unseen(40)[rows[:20]], unseen(40)[rows[20:]], resamples=20)


def test_held_out_states_that_are_examples_are_counted(trained, digits):
    held_out = torch.cat([unseen(12), digits[:2]])
    found = membership(trained, digits, held_out, resamples=20)
    assert found.overlap == 2
    assert any("2 of the held-out states are among the examples" in c for c in found.caveats)


def test_what_was_measured_at_the_examples_is_not_measured_again(trained, digits, found):
    options = mn.AuditOptions(spectrum_size=1)
    subject = Subject.of(trained, digits, options, held_out=unseen(40), seed=0)
    _, examined = examine(subject, Atlas.empty(subject.f))
    again = measure_membership(subject, examined, resamples=200)
    assert again.separations == found.separations


@pytest.mark.usefixtures("global_generator_untouched")
def test_the_same_seed_gives_the_same_numbers(trained, digits, found):
    assert membership(trained, digits, unseen(40), resamples=200).summary() == found.summary()


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        (torch.zeros(0, 2), "at least one"),
        (torch.zeros(3, 5), "a batch"),
        (torch.tensor([[0.0, 1.0], [torch.nan, 0.0]]), "the held-out data at index .1, 0."),
    ],
    ids=["none", "another shape", "NaN"],
)
def test_wrong_held_out_data_are_refused(held_out, message):
    with pytest.raises(mn.MnemoscopeError, match=message):
        membership(lambda z: z / 2, torch.zeros(3, 2), held_out)


def test_corners_are_all_that_a_curve_needs():
    x = np.array([0, 0, 0, 1, 2, 2, 3, 4])
    y = np.array([0, 1, 2, 2, 2, 3, 4, 5])
    assert _corners(x, y).tolist() == [0, 2, 4, 5, 7]


def test_long_curves_are_thinned_but_where_false_positives_are_few():
    steps = np.arange(5000)
    rows = _corners((steps + 1) // 2, steps // 2)
    assert len(rows) == MOST_POINTS
    assert rows[: MOST_POINTS // 2].tolist() == list(range(MOST_POINTS // 2))
    assert rows[-1] == 4999
    assert len(set(rows.tolist())) == len(rows)
