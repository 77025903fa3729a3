"""What fits into a time: from known costs, and in an audit that says what it left out."""

import time

import pytest
import torch

import mnemoscope as mn
from mnemoscope.measure import Effort, audit_within
from mnemoscope.measure.within import (
    FEWEST,
    UNITS,
    Amounts,
    Costs,
    affordable,
    costs,
    left_out,
    optional,
    share_of,
)
from mnemoscope.results import report_json

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

ASKED = Amounts(examples=1000, starts=1000, trials=10, certificates=100)

TRUE = Costs(
    fixed={"before": 2.0, "orbits from noise": 1.0},
    each={
        "the examples": 0.5,
        "orbits from noise": 0.01,
        "orbits from corrupted examples": 0.02,
        "certificates": 1.0,
    },
)


def timed(amounts):
    """The seconds of each part at true costs."""
    return {
        part: TRUE.fixed.get(part, 0.0)
        + (TRUE.each[part] * UNITS[part](amounts) if part in TRUE.each else 0.0)
        for part in {*TRUE.fixed, *TRUE.each}
    }


def wells(points, rate=0.5):
    def f(z):
        own = points[torch.cdist(z.flatten(1), points.flatten(1)).argmin(1)]
        return own + rate * (z - own)

    return mn.SelfMap(f, points.shape[1:], dtype=points.dtype)


def uniform(*size):
    return torch.rand(*size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_two_pilots_give_the_costs():
    small, large = Amounts(3, 16, 1, 1), Amounts(12, 64, 2, 2)
    known = costs((small, timed(small)), (large, timed(large)))
    for amounts in (ASKED, FEWEST):
        assert known.of(amounts) == pytest.approx(TRUE.of(amounts))
    assert known.fixed["before"] == 2.0


def test_one_pilot_takes_all_for_work():
    small = Amounts(3, 16, 1, 1)
    known = costs((small, timed(small)))
    assert known.of(small) == pytest.approx(TRUE.of(small))
    assert known.of(ASKED) >= TRUE.of(ASKED)


def test_a_second_pilot_that_was_no_slower_does_not_make_work_free():
    small, large = Amounts(3, 16, 1, 1), Amounts(12, 64, 2, 2)
    seconds = {"the examples": 6.0}
    known = costs((small, seconds), (large, seconds))
    assert known.of(large._replace(examples=24)) == pytest.approx(12.0)


@pytest.mark.parametrize("seconds", [60.0, 200.0, 700.0])
def test_the_largest_share_that_fits_is_done(seconds):
    done = affordable(TRUE, ASKED, seconds)
    assert TRUE.of(done) <= seconds
    # A hundredth more of each would not fit.
    share = done.starts / ASKED.starts
    assert TRUE.of(share_of(ASKED, share + 0.01)) > seconds
    assert done != ASKED


def test_all_is_done_where_it_fits_and_a_minimum_where_nothing_does():
    assert affordable(TRUE, ASKED, TRUE.of(ASKED)) == ASKED
    assert affordable(TRUE, ASKED, -5.0) == FEWEST
    few = Amounts(examples=4, starts=20, trials=1, certificates=0)
    assert affordable(TRUE, few, -5.0) == few


def test_what_is_left_out_is_named():
    assert left_out(ASKED, ASKED) == []
    assert left_out(ASKED, ASKED._replace(examples=100, certificates=0)) == [
        "900 of 1,000 examples",
        "100 of 100 certificates",
    ]


def test_optional_parts_are_predicted_from_those_that_were_timed():
    amounts = Amounts(examples=50, starts=40, trials=1, certificates=0)
    # By hand: of 50 examples at 0.5 s with one copy each at 0.02 s, and 40 starts at 0.01 s.
    control = 50 * (0.5 + 0.02) + 40 * 0.01
    found = optional(TRUE, amounts, 0)
    assert list(found) == ["controls", "pictures of orbits", "basins on a plane"]
    assert found["controls"] == pytest.approx(2 * control)
    assert found["basins on a plane"] == pytest.approx(41**2 * 0.01)
    assert found["pictures of orbits"] == pytest.approx((50 + 24) * 0.01)
    with_held_out = optional(TRUE, amounts, 30)
    assert with_held_out["controls"] == pytest.approx(3 * control)
    assert with_held_out["membership"] == pytest.approx(30 * 0.5 + 80 * 0.01)
    assert with_held_out["orbits from held-out data"] == pytest.approx(0.3)


def test_parts_that_do_not_fit_are_left_out_and_named():
    X = uniform(12, 4)

    def slow(z):
        time.sleep(0.01)
        return wells(X[:3]).stages[0](z)

    f = mn.SelfMap(slow, (4,), dtype=X.dtype)
    found = audit_within(
        f, X, Effort(minutes=1e-3, starts=20, trials=1, certificates=0),
        held_out=uniform(5, 4),
    )  # fmt: skip
    text = (
        "orbits from held-out data", "basins on a plane", "pictures of orbits", "membership",
        "controls",
    )  # fmt: skip
    assert found.summary.left_out == text
    assert found.summary.planned.left_out[-5:] == text
    assert "membership and controls." in found.verdict
    assert found.summary.controls is None
    assert found.plane.is_empty()
    assert found.membership.is_empty()
    assert report_json(found)["summary"]["left_out"] == list(text)


def test_an_audit_with_time_enough_is_the_audit():
    X = uniform(14, 4)
    plain = mn.audit(wells(X[:3]), X, mn.AuditOptions.of(certificates=0), starts=60, trials=1)
    found = audit_within(wells(X[:3]), X, Effort(minutes=1e6, starts=60, trials=1, certificates=0))
    assert found.examples.equals(plain.examples)
    assert found.attractors.equals(plain.attractors)
    assert found.verdict == plain.verdict
    planned = found.summary.planned
    assert planned.left_out == ()
    assert planned.asked == planned.done


def test_an_audit_without_time_says_what_it_left_out():
    X = uniform(200, 4)
    f = wells(X[:3])
    found = audit_within(f, X, Effort(minutes=1e-9, starts=80, trials=3, certificates=0), seed=5)
    assert len(found.examples) == 10
    planned = found.summary.planned
    assert planned.done == FEWEST._asdict()
    assert planned.asked == {"examples": 200, "starts": 80, "trials": 3, "certificates": 0}
    assert (
        "Omitted to stay within 1e-09 minutes: 190 of 200 examples, 30 of 80 starts of each "
        "distribution, 2 of 3 corrupted copies of each example and strength, basins on a plane, "
        "pictures of orbits and controls."
    ) in found.verdict
    assert "These are 10 of 200 training examples" in found.verdict
    report = report_json(found)
    assert report["summary"]["planned"]["left_out"] == list(planned.left_out)
    assert report["verdict"] == found.verdict
    # A random sample, the same for the same seed, judged among all.
    rows = found.provenance["data"]["rows"]
    assert rows == sorted(
        torch.randperm(200, generator=torch.Generator().manual_seed(5))[:10].tolist()
    )
    assert found.summary.spurious == 0
    stored = [row for row, kept in zip(rows, found.examples["stored"], strict=True) if kept]
    assert stored == [row for row in rows if row < 3]


def test_fewer_examples_may_be_asked_for():
    X = uniform(30, 4)
    effort = Effort(minutes=1e6, examples=12, starts=20, trials=1, certificates=0)
    found = audit_within(wells(X[:3]), X, effort)
    assert len(found.examples) == 12
    assert found.summary.among == 30
    assert found.summary.planned.left_out == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"minutes": 0}, "minutes=0"),
        ({"minutes": float("nan")}, "minutes=nan"),
        ({"minutes": 1, "examples": 0}, "examples=0"),
        ({"minutes": 1, "starts": 0}, "starts=0"),
        ({"minutes": 1, "certificates": -1}, "certificates=-1"),
    ],
)
def test_bad_efforts_are_refused(given, message):
    with pytest.raises(mn.MnemoscopeError, match=message):
        Effort(**given)
