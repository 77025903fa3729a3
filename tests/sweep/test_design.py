"""A design: as TOML and in Python, and what of it is refused, with the key at fault."""

import json
import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep.axes import VARIED, Choices, Range
from mnemoscope.sweep.columns import ALWAYS
from mnemoscope.sweep.design import Design

DATA = {"source": "digits", "n": 10}

FULL = """\
name = "depth-width"
about = "Stored share against depth and width"
seeds = 5
keep_weights = "stored"
group_size = 64
timeout = 600
retries = 2
device = "cpu"

[data]
source = "digits"
n = 10
[spec]
activation = "leaky_relu"
[training]
max_steps = 20000
[measure]
take = ["stored", "contraction"]

[grid]
spec.depth = [1, 2, 4]
"spec.width" = [32, 64]
[[zip]]
training.optimizer = ["adam", "gradient_descent"]
training.lr = [1e-3, 0.1]
[[zip]]
data.offset = [0, 10]
[sample]
count = 8
seed = 1
training.tol = { low = 1e-8, high = 1e-6, scale = "log" }
spec.init = { choices = ["default", "kaiming_normal"] }
"""

IN_PYTHON = Design(
    name="depth-width",
    about="Stored share against depth and width",
    seeds=5,
    keep_weights="stored",
    group_size=64,
    timeout=600,
    retries=2,
    device="cpu",
    data=DATA,
    spec={"activation": "leaky_relu"},
    training={"max_steps": 20_000},
    measure={"take": ("stored", "contraction")},
    grid={"spec.depth": (1, 2, 4), "spec.width": np.array([32, 64])},
    zip=[
        {"training.optimizer": ["adam", "gradient_descent"], "training.lr": [1e-3, 0.1]},
        {"data": {"offset": range(0, 20, 10)}},
    ],
    sample={
        "count": 8,
        "seed": 1,
        "training.tol": {"low": 1e-8, "high": 1e-6, "scale": "log"},
        "spec.init": {"choices": ["default", "kaiming_normal"]},
    },
)


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def from_text(text):
        (tmp_path / "design.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return Design.from_toml("design.toml")

    return from_text


def refused(function, *arguments, **fields):
    with pytest.raises(MnemoscopeError) as error:
        function(*arguments, **fields)
    assert "\n" not in str(error.value)
    return error.value


def test_a_file_says_what_python_says(read):
    assert read(FULL) == IN_PYTHON
    assert hash(read(FULL)) == hash(IN_PYTHON)


@pytest.mark.parametrize(
    "grid",
    [
        "[grid]\nspec.depth = [1, 2]\nspec.width = [3]",
        "[grid]\n'spec.depth' = [1, 2]\n\"spec.width\" = [3]",
        "[grid.spec]\ndepth = [1, 2]\nwidth = [3]",
        "[grid]\nspec = { depth = [1, 2], width = [3] }",
    ],
)
def test_fields_are_dotted_quoted_or_nested(read, grid):
    design = read(f"name = 'a'\ndata.source = 'digits'\n{grid}")
    assert design.grid == {"spec.depth": [1, 2], "spec.width": [3]}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_file_may_come_from_any_editor(read, ends, mark):
    design = read(mark + FULL.replace("\n", ends).encode())
    assert design == IN_PYTHON


def test_a_design_survives_json():
    stored = json.loads(json.dumps(IN_PYTHON.to_dict()))
    assert Design(**stored) == IN_PYTHON
    assert Design.from_json(IN_PYTHON.to_json()) == IN_PYTHON
    assert list(Design(**stored).settings()) == list(IN_PYTHON.settings())


def test_a_design_goes_to_another_process(read):
    design = read(FULL)
    assert pickle.loads(pickle.dumps(design)) == design


@pytest.mark.parametrize(
    "grid",
    [
        {"spec.depth": (1, 2)},
        {"spec.depth": range(1, 3)},
        {"spec.depth": np.array([1, 2])},
        {"spec": {"depth": [np.int64(1), np.float64(2)]}},
        {"spec.depth": torch.tensor([1, 2])},
    ],
)
def test_arrays_and_tuples_become_lists(grid):
    assert Design(name="a", data=DATA, grid=grid).grid == {"spec.depth": [1, 2]}


def test_ranges_and_choices_are_sampled():
    drawn = IN_PYTHON.sample.ranges
    assert drawn["training.tol"] == Range(low=1e-8, high=1e-6, scale="log")
    assert drawn["spec.init"] == Choices(choices=("default", "kaiming_normal"))
    assert (IN_PYTHON.sample.count, IN_PYTHON.sample.seed) == (8, 1)
    assert len(list(IN_PYTHON.sample.points)) == 8


def test_a_combination_may_repeat_a_value():
    zips = [{"spec.depth": [1, 2], "spec.width": [8, 8]}]
    settings = list(Design(name="a", data=DATA, zip=zips).settings())
    assert [tuple(setting.values()) for setting in settings] == [(1, 8), (2, 8)]


def test_all_fields_of_a_run_but_how_it_is_measured_can_be_varied():
    assert {"spec.depth", "data.n", "training.lr"} <= set(VARIED)
    assert not any(path.startswith("measure.") for path in VARIED)


def test_every_field_that_can_be_varied_has_a_column():
    assert {path.rpartition(".")[2] for path in VARIED} <= {*ALWAYS}


def test_factors_are_in_order():
    assert IN_PYTHON.factors == (
        "spec.depth", "spec.width", "training.optimizer", "training.lr", "data.offset",
        "training.tol", "spec.init",
    )  # fmt: skip


def test_settings_are_the_product_of_the_axes():
    settings = list(IN_PYTHON.settings())
    assert len(settings) == 3 * 2 * 2 * 2 * 8
    assert IN_PYTHON.count == len(settings) * 5
    assert len({json.dumps(setting) for setting in settings}) == len(settings)
    assert {tuple(setting) for setting in settings} == {IN_PYTHON.factors}
    pairs = {(setting["training.optimizer"], setting["training.lr"]) for setting in settings}
    assert pairs == {("adam", 1e-3), ("gradient_descent", 0.1)}


def test_a_design_without_axes_has_one_setting():
    design = Design(name="one", data=DATA, seeds=3)
    assert list(design.settings()) == [{}]
    assert design.count == 3
    assert design.factors == ()


def test_settings_are_counted_and_begun_without_being_enumerated():
    ten = list(range(1, 11))
    grid = {f"training.{field}": ten for field in ("tol", "lr", "batch_size", "max_steps")}
    grid |= {f"spec.{field}": ten for field in ("depth", "width", "channels", "levels")}
    sample = {"count": 2**20, "training.momentum": {"low": 0, "high": 0.5}}
    design = Design(name="vast", data=DATA, grid=grid, sample=sample, seeds=10**9)
    assert design.count == 10**8 * 2**20 * 10**9
    assert next(design.settings())["spec.depth"] == 1


@pytest.mark.parametrize(("seeds", "values"), [(3, [0, 1, 2]), ([7, 3], [7, 3]), ((5,), [5])])
def test_seeds_are_counted_or_listed(seeds, values):
    assert list(Design(name="a", data=DATA, seeds=seeds).seed_values) == values


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("name", "name"),
        ("spec.depth", "grid.spec.depth"),
        ("training.lr", "zip.0.training.lr"),
        ("data.offset", "zip.1.data.offset"),
        ("training.tol", "sample.training.tol"),
        ("spec.activation", "spec.activation"),
        ("measure.take.0", "measure.take"),
        ("measure.starts", "measure"),
        ("", ""),
    ],
)
def test_fields_have_a_key(path, key):
    assert IN_PYTHON.key(path) == key


HEAD = "name = 'a'\ndata.source = 'digits'\n"
RANGE = "{low = 1, high = 2}"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        *((f"seeds = {value}\n", "seeds") for value in ("'five'", 0, "true", 2.0, [], [4, 1, 4])),
        ("seeds = [0, -1]\n", "seeds"),
        *((f"timeout = {value}\n", "timeout") for value in (0, "inf", "nan", 1e300, "'9'")),
        ("retries = -1\n", "retries"),
        ("group_size = 0\n", "group_size"),
        ("keep_weights = 'some'\n", "keep_weights"),
        ("device = 'gpu'\n", "device"),
        ("about = 3\n", "about"),
        ("grid = 3\n", "grid"),
        ("sample = [1]\n", "sample"),
        ("zip = 1\n", "zip"),
        ("[zip]\nspec.depth = [1]", "zip"),
        ("spec = 'deep'\n", "spec"),
        ("[training]\nlr = inf", "training.lr"),
        ("[training]\nlr = 2020-01-01", "training.lr"),
        ("[measure]\naudit.x = [{y = nan}]", "measure.audit"),
        ("[grid]\nspec.depth = 3", "grid.spec.depth"),
        ("[grid]\nspec.depth = 'relu'", "grid.spec.depth"),
        ("[grid]\nspec.depth = []", "grid.spec.depth"),
        ("[grid]\ntraining.lr = [1.0, nan]", "grid.training.lr"),
        ("[grid]\nspec.depth = [1, 2, 1]", "grid.spec.depth"),
        ("[grid]\nspec.width = [[8, 8], [8, 8]]", "grid.spec.width"),
        ("[grid]\nmeasure.starts = [1]", "grid.measure.starts"),
        ("[grid]\nseed = [1, 2]", "grid.seed"),
        ("[[zip]]\nspec.depth = [1, 1]", "zip.0"),
        ("[[zip]]\nspec.depth = [1, 2, 1]\nspec.width = [8, 8, 8]", "zip.0"),
        ("[[zip]]\nspec.depth = [1, 2]\nspec.width = [1]", "zip.0"),
        ("[[zip]]\nspec.depth = 3", "zip.0.spec.depth"),
        ("[[zip]]\n[[zip]]\nspec.depth = [1]", "zip.0"),
        ("[sample]\ncount = 2", "sample"),
        (f"[sample]\nspec.depth = {RANGE}", "sample.count"),
        *(
            (f"[sample]\ncount = {count}\nspec.depth = {RANGE}", "sample.count")
            for count in (0, -2, "'many'", "true", 2**20 + 1)
        ),
        *(
            (f"[sample]\ncount = 2\nseed = {seed}\nspec.depth = {RANGE}", "sample.seed")
            for seed in (-1, 1.5)
        ),
        *(
            (f"[sample]\ncount = 2\nspec.depth = {value}", "sample.spec.depth")
            for value in ([1, 2], 3, RANGE, "{low = 3, high = 2, whole = true}")
        ),
        ("[sample]\ncount = 2\nspec.depth.choices = []", "sample.spec.depth.choices"),
        ("[sample]\ncount = 2\nspec.depth = {choices = [1], low = 2}", "sample.spec.depth.low"),
        (
            "[sample]\ncount = 2\ntraining.lr = {low = 0, high = 2, scale = 'log'}",
            "sample.training.lr",
        ),
        ("[spec]\ndepth = 2\n[grid]\nspec.depth = [1]", "grid.spec.depth"),
        ("[grid]\nspec.depth = [1]\n'spec.depth' = [2]", "grid.spec.depth"),
        ("[grid]\nspec.depth = [1]\n[[zip]]\nspec.depth = [1]", "zip.0.spec.depth"),
        (
            "[[zip]]\nspec.depth = [1]\n[sample]\ncount = 1\nspec.depth = {choices = [1]}",
            "sample.spec.depth",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_named_by_its_key(read, text, field):
    error = refused(read, HEAD + text)
    assert error.field == field
    assert error.given.startswith("design.toml, ")


@pytest.mark.parametrize(
    ("text", "field", "meant"),
    [
        ("sedes = 3\n", "sedes", "seeds"),
        ("\n[gird]\nspec.depth = [1]", "gird", "grid"),
        ("[trainings]\nlr = 1", "trainings", "training"),
        ("[training]\nlrr = 1", "training.lrr", "training.lr"),
        ("[training]\nlr = 1\nseeds = 2", "training.seeds", "above the first table"),
        ("[spec]\ndept = 3", "spec.dept", "spec.depth"),
        *(
            (f"{table}{field} = {value}", f"{key}.{field}", meant)
            for table, key, value in (
                ("[grid]\n", "grid", [1]),
                ("[[zip]]\n", "zip.0", [1]),
                ("[sample]\ncount = 1\n", "sample", RANGE),
            )
            for field, meant in (
                ("spec.dept", "spec.depth"),
                ("depth", "spec.depth"),
                ("lr", "training.lr"),
                ("sepc.depth", "spec.depth"),
                ("spec.lr", "training.lr"),
                ("trainings.max_stepz", "training.max_steps"),
                ("wholly.different", "leave out"),
            )
        ),
        (f"[sample]\ncuont = 2\nspec.depth = {RANGE}", "sample.cuont", "count"),
        (f"[sample]\ncount = 2\nsede = 1\nspec.depth = {RANGE}", "sample.sede", "seed"),
    ],
)
def test_a_misspelled_field_is_named_with_the_one_meant(read, text, field, meant):
    error = refused(read, HEAD + text)
    assert error.field == field
    assert meant in error.todo
    assert error.choices


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", None, "which is empty"),
        (" \n\n", None, "which is empty"),
        ("# nothing\n", "name", ""),
        ("name = 'a'\n[grid]\nspec.depth = [1]", "data.source", ""),
        ("name = 'a'\n[data]\nn = 3", "data.source", ""),
        *((f"name = {name}", "name", "") for name in ("'a b'", "''", "'../a'", '"a\\n"', 3)),
        ("name = 'a'\nseeds = [1,, 2]", None, "at line 2, column 12"),
        ("name = 'a'\nname = 'b'", None, "Cannot overwrite a value"),
        (f"name = 'a'\nseeds = {'9' * 5000}\n[data]", None, "Exceeds the limit (4300 dig"),
        ("name = 'a'\nseeds = [1,", None, "at end of document"),
        ("a = " + "[" * 100_000, None, "nests no deeper"),
        ("a." * 100_000 + "a = 1", None, "dotted parts"),
        (bytes(range(256)), None, "which cannot be read"),
        (b"PAR1\0\0", None, "at line 1"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_file_that_is_no_design_is_named(read, text, field, words):
    error = refused(read, text)
    assert error.field == field
    assert error.given.startswith("design.toml, ")
    assert words in str(error)


@pytest.mark.parametrize("path", ["nope.toml", "folder", "/dev/null", "a\0b"])
def test_a_path_that_is_no_file_is_named(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert refused(Design.from_toml, path).given.startswith(path[:1])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"grid": {"spec.dept": [1]}}, "grid.spec.dept"),
        ({"grid": {1: [1]}}, "grid.1"),
        ({"grid": [1]}, "grid"),
        ({"grid": {"spec.depth": [None, None]}}, "grid.spec.depth"),
        ({"zip": [3]}, "zip.0"),
        ({"zip": [{"spec.depth": [1], "spec.width": [1, 2]}]}, "zip.0"),
        ({"spec": {"depth": 1}, "grid": {"spec.depth": [1]}}, "grid.spec.depth"),
        ({"sample": {"count": 1, "spec.depth": 3}}, "sample.spec.depth"),
        ({"training": {"lr": math.nan}}, "training.lr"),
        ({"training": {"lr": SimpleNamespace()}}, "training.lr"),
        ({"measure": {"take": [len]}}, "measure.take"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"data": {}}, "data.source"),
    ],
)
def test_what_is_wrong_in_python_is_named_by_its_key(fields, field):
    assert refused(Design, **{"name": "a", "data": DATA, **fields}).field == field
