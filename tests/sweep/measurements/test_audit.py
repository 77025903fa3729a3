"""The numbers of an audit in a row, and its options."""

import pytest

import mnemoscope as mn
from mnemoscope.sweep.configuration import Data
from mnemoscope.sweep.measurements.audit import MEASUREMENT, check_options, flattened
from tests.sweep.measurements.groups import group

QUICK = {
    "starts": 5, "trials": 1, "certificates": 1, "corruptions": {"gaussian": [0.1]},
    "start_kinds": ["uniform"],
}  # fmt: skip
DIGITS = Data(source="digits", n=12)


@pytest.fixture(scope="module")
def replicas():
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=16, depth=3)
    return mn.train_replicas(
        spec,
        mn.load_data("digits", n=12),
        seeds=range(1),
        options=mn.TrainingOptions(max_steps=2000),
    )


@pytest.mark.parametrize("held_out", [0, 12])
@pytest.mark.filterwarnings("ignore::mnemoscope.measure.membership_scores.DistributionWarning")
def test_a_row_holds_every_number_of_the_summary(replicas, held_out):
    X = mn.load_data("digits", n=12)
    fresh = mn.load_data("digits", n=held_out, offset=12) if held_out else None
    values = MEASUREMENT.take(group(replicas, X, fresh, seeds=(7,), audit=QUICK))
    assert list(values) == list(MEASUREMENT.columns)
    options = mn.AuditOptions.of(**QUICK)
    expected = flattened(mn.audit(replicas[0], X, options, seed=7, held_out=fresh).summary)
    assert set(expected) <= set(MEASUREMENT.columns) | {one.name for one in MEASUREMENT.quantities}
    row = {name: column[0] for name, column in values.items() if column[0] is not None}
    measured = {name: value for name, value in expected.items() if value is not None}
    assert set(row) == set(measured)
    # Neither the time nor NaN is equal to itself.
    same = {name for name in measured if measured[name] == measured[name]} - {"audit_seconds"}
    assert {name: row[name] for name in same} == {name: measured[name] for name in same}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"startz": 5}, "startz"),
        ({"seed": 5}, "seed"),
        ({"starts": 0}, "starts"),
        ({"starts": True}, "starts"),
        ({"trials": "many"}, "trials"),
        ({"tol": -1.0}, "tol"),
        ({"match_tol": "near"}, "match_tol"),
        ({"start_kinds": ["unifrom"]}, "start_kinds"),
        ({"corruptions": ["blur"]}, "corruptions"),
        ({"corruptions": {"blurr": [1.0]}}, "corruptions"),
        ({"corruptions": {"blur": 1.0}}, "corruptions"),
        ({"corruptions": {"mask_pixels": [2.0]}}, "corruptions"),
    ],
)
def test_options_that_an_audit_would_refuse_are_refused_before(options, name):
    with pytest.raises(mn.MnemoscopeError) as error:
        check_options(options, DIGITS)
    assert error.value.field == f"audit.{name}"
    assert "\n" not in str(error.value)


def test_options_that_it_takes_are_let_through():
    check_options(QUICK, DIGITS)
    check_options({"tol": 1e-5, "max_steps": 50, "batch_size": 8, "certificates": 0}, DIGITS)
