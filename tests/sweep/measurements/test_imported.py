"""Measured functions that a user provides."""

import itertools
import math
import sys

import pytest
import torch

import mnemoscope as mn
from mnemoscope.sweep.configuration import Data, Measure
from mnemoscope.sweep.measurements import check_measure, code_of, find_measurement, imported
from tests.sweep.measurements.groups import contractions, group

NUMBERS = itertools.count()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module into the current folder and gives its name, one not imported before."""
    monkeypatch.chdir(tmp_path)

    def write(text, name=None):
        name = f"measures_{next(NUMBERS)}" if name is None else name
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


def take(path, *others, seeds=(0, 1), **names):
    trained = group(
        contractions((0.5, 0.0), (2.0, 0.0)), torch.ones(3, 2), take=(path, *others), seeds=seeds
    )
    return find_measurement(path).take(trained)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("len(X)", {"extent": [3.0, 3.0]}),
        ("net(X).sum().item()", {"extent": [3.0, 12.0]}),
        ("net(X).sum()", {"extent": [3.0, 12.0]}),
        ("bool(net(X).sum() > 5)", {"extent": [0.0, 1.0]}),
        ("float('inf')", {"extent": [math.inf, math.inf]}),
        ("{'a': 1, 'b': X.numpy().max()}", {"extent_a": [1.0, 1.0], "extent_b": [1.0, 1.0]}),
        (
            "{'big' if net(X).sum() > 5 else 'small': 1}",
            {"extent_small": [1, None], "extent_big": [None, 1]},
        ),
        ("{}", {}),
    ],
)  # fmt: skip
def test_a_number_or_several_by_name(module, returned, expected):
    name = module(f"def extent(net, X):\n    return {returned}\n")
    assert take(f"{name}:extent") == expected


def test_what_is_not_a_number_stays_so(module):
    name = module("def extent(net, X):\n    return float('nan')\n")
    assert all(math.isnan(value) for value in take(f"{name}:extent")["extent"])


def test_a_function_that_changes_what_it_is_given_harms_nobody(module):
    name = module(
        "import torch\n\ndef extent(net, X):\n"
        "    X.zero_()\n    torch.nn.init.zeros_(next(net.parameters()))\n    return 0\n"
    )
    trained = group(contractions((0.5, 0.0)), torch.ones(3, 2))
    find_measurement(f"{name}:extent").take(trained)
    assert bool((trained.X == 1).all())
    assert float(trained.replicas.parameters[0].sum()) == 1.0


def test_a_method_of_something_is_a_function_too(module):
    name = module("class At:\n    @staticmethod\n    def extent(net, X):\n        return 1\n")
    assert take(f"{name}:At.extent") == {"extent": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise RuntimeError('out of luck')", "RuntimeError: out of luck"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return 'three'", "it gives 'three'"),
        ("return None", "it gives None"),
        ("return X", "it gives tensor"),
        ("return 1j", "it gives 1j"),
        ("return {1: 2}", "by the name 1"),
        ("return {'a b': 2}", "by the name 'a b'"),
        ("return {'a': [1]}", "it gives [1]"),
        ("return 10 ** 400", "OverflowError"),
    ],
)
def test_one_that_fails_or_gives_no_number_is_named_with_the_seed(module, body, reason):
    name = module(f"def extent(net, X):\n    {body}\n")
    with pytest.raises(mn.MnemoscopeError) as error:
        take(f"{name}:extent", seeds=(41, 42))
    for part in (f"{name}:extent", "seed 41", reason):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "function", "fragment"),
    [
        ("def extent(net, X): return 1", "weight", "AttributeError"),
        ("import no_such_module_at_all", "extent", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "extent", "SystemExit"),
        ("def extent(", "extent", "SyntaxError"),
        ("extent = 3", "extent", "a int"),
        ("def extent(net): return 1", "extent", "two arguments"),
        ("def extent(net, X, other): return 1", "extent", "two arguments"),
        ("def loss(net, X): return 1", "loss", "column 'loss'"),
        ("def width(net, X): return 1", "width", "column 'width'"),
        ("def stored(net, X): return 1", "stored", "column 'stored'"),
    ],
)
def test_one_that_will_not_do_is_refused_before_anything_is_trained(
    module, text, function, fragment
):
    with pytest.raises(mn.MnemoscopeError) as error:
        find_measurement(f"{module(text)}:{function}")
    assert fragment in str(error.value)


def test_a_missing_module_is_reported(module):
    with pytest.raises(mn.MnemoscopeError, match="check both names"):
        find_measurement("no_such_module_at_all:extent")


def test_columns_of_the_table_are_not_overwritten(module):
    name = module("def spectral(net, X): return {'radius': 1}")
    with pytest.raises(mn.MnemoscopeError, match="'spectral_radius'"):
        take(f"{name}:spectral")


def test_columns_of_two_functions_are_distinguished(module):
    name = module(
        "def extent(net, X): return {'of_it': 1}\ndef extent_of(net, X): return {'it': 1}\n"
    )
    paths = f"{name}:extent", f"{name}:extent_of"
    assert take(paths[1], paths[0]) == {"extent_of_it": [1.0, 1.0]}
    with pytest.raises(mn.MnemoscopeError, match="extent_of_it"):
        take(*paths)


def test_functions_of_one_name_are_refused(module):
    text = "def extent(net, X): return 1"
    paths = tuple(f"{module(text)}:extent" for _ in range(2))
    with pytest.raises(mn.MnemoscopeError, match="a name of its own"):
        check_measure(Measure(take=paths), Data(source="digits", n=3))


def test_the_code_is_that_of_the_files(module, tmp_path):
    text = "def extent(net, X): return 1"
    one, same, other = (module(t) for t in (text, text, text.replace("1", "2")))
    codes = [code_of(Measure(take=(f"{name}:extent",))) for name in (one, same, other)]
    assert len(set(codes)) == 3
    assert all(codes)
    assert code_of(Measure(take=("stored", f"{one}:extent"))) == codes[0]
    # It is fragment of what was imported: a file that is edited afterwards is not what runs.
    module(text.replace("1", "3"), one)
    assert code_of(Measure(take=(f"{one}:extent",))) == codes[0]


def test_a_changed_file_is_other_code(module, monkeypatch):
    name = module("def extent(net, X): return 1")
    before = code_of(Measure(take=(f"{name}:extent",)))
    module("def extent(net, X): return 2", name)
    # As in a new process.
    monkeypatch.delitem(sys.modules, name)
    imported._function.cache_clear()
    imported.module_digest.cache_clear()
    assert code_of(Measure(take=(f"{name}:extent",))) != before


@pytest.mark.parametrize("take", [(), ("stored",), ("stored", "span")])
def test_there_is_no_code_without_functions(take):
    assert code_of(Measure(take=take)) == ""
