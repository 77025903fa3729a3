"""Every measurement, of every kind of network; and what is refused before anything is trained."""

import polars as pl
import pytest

import mnemoscope as mn
from mnemoscope.sweep.configuration import Data
from mnemoscope.sweep.measure import Measure
from mnemoscope.sweep.measurements import MEASUREMENTS, check_measure, find_measurement
from mnemoscope.sweep.measurements.columns import TABLE
from tests.sweep.measurements.groups import group

AUDIT = {
    "starts": 5, "trials": 1, "certificates": 0, "corruptions": {"gaussian": [0.1]},
    "start_kinds": ["uniform"],
}  # fmt: skip
KINDS = {
    "fully_connected": (mn.nets.FullyConnected(shape=(1, 8, 8), width=16, depth=3), 3, 2),
    "one_of_one": (mn.nets.FullyConnected(shape=(1, 8, 8), width=16, depth=2), 1, 1),
    "convolutional": (mn.nets.Convolutional(shape=(1, 8, 8), channels=4, depth=2), 2, 2),
    "unet": (mn.nets.UNet(shape=(1, 8, 8), channels=4, levels=1), 2, 1),
}


@pytest.fixture(scope="module", params=KINDS)
def trained(request):
    spec, n, r = KINDS[request.param]
    X, held_out = mn.load_data("digits", n=n), mn.load_data("digits", n=4, offset=n)
    dtype = "float64" if request.param == "one_of_one" else "float32"
    replicas = mn.train_replicas(
        spec,
        X,
        mn.TrainingOptions(max_steps=2, dtype=dtype),
        seeds=range(r),
    )
    return group(replicas, X, held_out, starts=8, trials=2, audit=AUDIT)


@pytest.mark.parametrize("name", MEASUREMENTS)
@pytest.mark.filterwarnings("ignore::mnemoscope.measure.membership.DistributionWarning")
@pytest.mark.filterwarnings("ignore::mnemoscope.linalg.ConvergenceWarning")
def test_it_fills_its_columns_with_a_value_for_each_network(trained, name):
    measurement = MEASUREMENTS[name]
    told = measurement.take(trained)
    table = pl.DataFrame(told, schema=measurement.columns)
    assert list(told) == table.columns
    assert len(table) == len(trained.replicas)


def test_no_column_is_filled_twice():
    columns = [name for m in MEASUREMENTS.values() for name in m.columns]
    assert len(set(columns)) == len(columns)
    assert not TABLE & set(columns)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_measurements_are_found_by_their_name(name):
    assert find_measurement(name).name == name


@pytest.mark.parametrize(
    ("measure", "told"),
    [
        ({"take": ["storde"]}, "did you mean `stored`"),
        ({"take": ["everything"]}, "names among stored, contraction"),
        ({"take": [""]}, "names among"),
        ({"take": ["math:no_such_name"]}, "cannot be imported"),
        ({"take": ["stored", "span", "stored"]}, "'stored' and 'stored'"),
        ({"start_kind": "unifrom"}, "did you mean `uniform`"),
        ({"take": ["generalization"]}, "set `measure.held_out`"),
        ({"held_out": 5, "held_out_offset": 8}, "no example in both"),
        ({"held_out": 100_000}, "100"),
        ({"audit": {"trails": 3}}, "did you mean `trials`"),
    ],
)
def test_what_cannot_be_measured_is_refused(measure, told):
    with pytest.raises(mn.MnemoscopeError) as error:
        check_measure(Measure(**measure), Data(source="digits", n=10))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "measure",
    [
        {},
        {"take": []},
        {"take": list(MEASUREMENTS), "held_out": 5},
        {"take": "generalization", "held_out": 5, "held_out_offset": 100},
        {"take": ["math:hypot"]},
    ],
)
def test_what_can_be_measured_is_let_through(measure):
    check_measure(Measure(**measure), Data(source="digits", n=10))
