"""Every measurement, of every kind of network; and what is refused before anything is trained."""

import polars as pl
import pytest

import mnemoscope as mn
from mnemoscope.sweep import load, run
from mnemoscope.sweep.columns import ALWAYS
from mnemoscope.sweep.configuration import Data, Measure
from mnemoscope.sweep.executors import in_process
from mnemoscope.sweep.ledger import read_note
from mnemoscope.sweep.measurements import (
    MEASUREMENTS,
    check_measure,
    code_of,
    find_measurement,
    quantities_of,
)
from mnemoscope.sweep.store import Store
from tests.sweep.designs import tiny
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
@pytest.mark.filterwarnings("ignore::mnemoscope.measure.membership_scores.DistributionWarning")
@pytest.mark.filterwarnings("ignore::mnemoscope.linalg.ConvergenceWarning")
def test_it_fills_its_columns_with_a_value_for_each_network(trained, name):
    measurement = find_measurement(name)
    columns = measurement.take(trained)
    table = pl.DataFrame(columns, schema=measurement.columns)
    assert list(columns) == table.columns
    assert len(table) == len(trained.replicas)


def test_no_column_is_filled_twice():
    columns = [name for m in MEASUREMENTS.values() for name in m.columns]
    assert len(set(columns)) == len(columns)
    assert not ALWAYS.keys() & set(columns)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_measurements_are_found_by_their_name(name):
    assert find_measurement(name).name == name


@pytest.mark.parametrize(
    ("measure", "fragment"),
    [
        ({"take": ["storde"]}, "`stored`"),
        ({"take": ["everything"]}, "audit, contraction"),
        ({"take": [""]}, "audit, contraction"),
        ({"take": ["math:no_such_name"]}, "cannot be imported"),
        ({"take": ["stored", "span", "stored"]}, "'stored' and 'stored'"),
        ({"start_kind": "unifrom"}, "`uniform`"),
        ({"take": ["generalization"]}, "`measure.held_out`"),
        ({"held_out": 5, "held_out_offset": 8}, "no example in both"),
        ({"held_out": 100_000}, "100"),
        ({"audit": {"trails": 3}}, "`trials`"),
    ],
)
def test_what_cannot_be_measured_is_refused(measure, fragment):
    with pytest.raises(mn.MnemoscopeError) as error:
        check_measure(Measure(**measure), Data(source="digits", n=10))
    assert fragment in str(error.value)
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


PLUGIN = """\
from mnemoscope.base.quantity import Quantity
from mnemoscope.sweep.measurements import Measurement

def take(trained):
    return {"weights": [net.spec.parameters_count() for net in trained.replicas]}

MEASUREMENT = Measurement("weights", (Quantity("weights", "count", "weights of it"),), take)
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Installs a package with a measurement."""
    (tmp_path / "weights_plugin.py").write_text(PLUGIN)
    info = tmp_path / "weights_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weights-plugin\nVersion: 1\n")
    group = "[mnemoscope.measurements]\nweights = weights_plugin:MEASUREMENT\n"
    (info / "entry_points.txt").write_text(group)
    monkeypatch.syspath_prepend(tmp_path)
    _find_again()
    yield
    _find_again()


def _find_again():
    vars(MEASUREMENTS).pop("_by_name", None)


def test_an_installed_package_adds_a_measurement(plugin, tmp_path):
    design = tiny(measure={"take": ["weights"]}, seeds=1)
    assert run(design, tmp_path / "sweep", executor=in_process()).done == 1
    rows = load(tmp_path / "sweep").collect()
    assert rows["weights"].to_list() == rows["parameters"].to_list()
    # Its source is part of the version of the code.
    assert len(code_of(Measure(take=("weights",)))) == 64
    (noted,) = read_note(Store(tmp_path / "sweep"))["quantities"]
    _find_again()
    (quantity,) = quantities_of(rows.columns, [noted])
    assert (quantity.name, quantity.kind, quantity.label) == ("weights", "count", "weights of it")


def test_columns_are_explained_by_quantities():
    columns = ["key", "depth", "stored", "audit_stored_count", "audit_stored_total", "my_own"]
    shares = {one.name: (one.kind, one.share) for one in quantities_of(columns)}
    assert shares == {
        "audit_stored": ("rate", ("audit_stored_count", "audit_stored_total")),
        "stored": ("count", ("stored", "n")),
        "my_own": ("number", None),
    }
