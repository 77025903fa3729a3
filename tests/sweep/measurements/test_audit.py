"""The numbers of an audit in a row, and its options."""

import pytest

import mnemoscope as mn
from mnemoscope.sweep.configuration import Data
from mnemoscope.sweep.measurements.audit import AUDIT, COLUMNS, check_options, flattened
from tests.sweep.measurements.groups import group

QUICK = {
    "starts": 5, "trials": 1, "certificates": 1, "corruptions": {"gaussian": [0.1]},
    "start_kinds": ["uniform"],
}  # fmt: skip
DIGITS = Data(source="digits", n=12)

REPEATED = ("_low", "_high", "_strength")
"""Of a rate: its interval follows from its count, its corruption is always the same."""


@pytest.fixture(scope="module")
def replicas():
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=16, depth=3)
    return mn.train_replicas(
        spec, mn.load_data("digits", n=12), mn.TrainingOptions(max_steps=2000), seeds=range(1)
    )


@pytest.mark.parametrize("held_out", [0, 12])
@pytest.mark.filterwarnings("ignore::mnemoscope.measure.membership.DistributionWarning")
def test_a_row_holds_every_number_of_the_summary(replicas, held_out):
    X = mn.load_data("digits", n=12)
    fresh = mn.load_data("digits", n=held_out, offset=12) if held_out else None
    told = AUDIT.take(group(replicas, X, fresh, seeds=(7,), audit=QUICK))
    assert list(told) == list(COLUMNS)
    summary = mn.audit(replicas[0], X, seed=7, held_out=fresh, **QUICK).summary
    numbers = flattened(summary)
    rates = {name.removesuffix("_count") for name in numbers if name.endswith("_count")}
    expected = {
        name: value
        for name, value in numbers.items()
        if not any(name == rate + end for rate in rates for end in REPEATED)
        and name.rpartition("_")[0] not in ("audit_recall_frames",)
    }
    assert set(expected) <= set(COLUMNS)
    row = {name: values[0] for name, values in told.items() if values[0] is not None}
    same = set(expected) - {"audit_seconds"}
    assert {name: row[name] for name in same if expected[name] == expected[name]} == {
        name: expected[name] for name in same if expected[name] == expected[name]
    }
    assert set(row) == {name for name, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"startz": 5}, "did you mean `starts`"),
        ({"seed": 5}, "leave out `seed`"),
        ({"starts": 0}, "starts=0"),
        ({"starts": True}, "a whole number"),
        ({"trials": "many"}, "a whole number"),
        ({"tol": -1.0}, "a number above 0"),
        ({"match_tol": "near"}, "a number above 0"),
        ({"start_kinds": "uniform"}, "a list of names"),
        ({"start_kinds": ["unifrom"]}, "of a kind among"),
        ({"start_kinds": [["uniform"]]}, "start_kinds"),
        ({"corruptions": ["blur"]}, "a list for each"),
        ({"corruptions": {"blurr": [1.0]}}, "one of gaussian"),
        ({"corruptions": {"blur": 1.0}}, "a list of strengths"),
        ({"corruptions": {"mask_pixels": [2.0]}}, "share of pixels"),
    ],
)
def test_options_that_an_audit_would_refuse_are_refused_before(options, told):
    with pytest.raises(mn.MnemoscopeError) as error:
        check_options(options, DIGITS)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_options_that_it_takes_are_let_through():
    check_options(QUICK, DIGITS)
    check_options({"tol": 1e-5, "max_steps": 50, "batch_size": 8, "certificates": 0}, DIGITS)
