"""A design: as TOML and in Python, and what of it is refused, with its place."""

import json
import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from mnemoscope.base.errors import MnemoscopeError
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


def message(function, *arguments, **fields):
    with pytest.raises(MnemoscopeError) as error:
        function(*arguments, **fields)
    assert "\n" not in str(error.value)
    return str(error.value)


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
    assert design.place("spec.depth") == "design.toml:21"


def test_a_design_survives_json():
    told = json.loads(json.dumps(IN_PYTHON.to_dict()))
    assert Design.from_dict(told) == IN_PYTHON
    assert Design.from_json(IN_PYTHON.to_json()) == IN_PYTHON
    assert list(Design.from_dict(told).settings()) == list(IN_PYTHON.settings())


def test_a_design_and_its_places_go_to_another_process(read):
    design = read(FULL)
    there = pickle.loads(pickle.dumps(design))
    assert there == design
    assert there.place("spec.depth") == "design.toml:21"


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
    ("fields", "in_file", "in_python"),
    [
        (["name"], "design.toml:1", "Design.name"),
        (["spec.depth"], "design.toml:21", "Design.grid"),
        (["spec.width"], "design.toml:22", "Design.grid"),
        (["training.lr"], "design.toml:25", "Design.zip[0]"),
        (["data.offset"], "design.toml:27", "Design.zip[1]"),
        (["training.tol"], "design.toml:31", "Design.sample"),
        (["spec.activation"], "design.toml:14", "Design.spec"),
        (["spec.width", "spec.depth"], "design.toml:21 and 22", "Design.grid"),
        (["measure.starts"], "design.toml", "Design"),
        ([], "design.toml", "Design"),
    ],
)
def test_fields_have_a_place(read, fields, in_file, in_python):
    assert read(FULL).place(*fields) == in_file
    assert IN_PYTHON.place(*fields) == in_python


HEAD = "name = 'a'\ndata.source = 'digits'\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds = 'five'\n", "design.toml:3, seeds='five'; expected a whole number, 1 or more, or"),
        ("seeds = 0\n", "design.toml:3, seeds=0; expected a whole number, 1 or more"),
        ("seeds = true\n", "design.toml:3, seeds=True; expected a whole number"),
        ("seeds = 2.0\n", "design.toml:3, seeds=2.0; expected a whole number"),
        ("seeds = []\n", "design.toml:3, seeds=[]; expected a whole number"),
        ("seeds = [0, -1]\n", "design.toml:3, seeds=[0, -1]; expected a whole number"),
        ("seeds = [4, 1, 4]\n", "design.toml:3, seeds=[4, 1, 4]; expected each seed once"),
        ("timeout = 0\n", "design.toml:3, timeout=0; expected seconds, more than 0"),
        ("timeout = inf\n", "design.toml:3, timeout=inf; expected seconds"),
        ("timeout = nan\n", "design.toml:3, timeout=nan; expected seconds"),
        ("timeout = 1e300\n", "timeout=1e+300; expected seconds, more than 0 and at most 10000"),
        ("timeout = '9'\n", "design.toml:3, timeout='9'; expected seconds"),
        ("retries = -1\n", "design.toml:3, retries=-1; expected a whole number, 0 or more"),
        ("group_size = 0\n", "design.toml:3, group_size=0; expected a whole number, 1 or more"),
        ("keep_weights = 'some'\n", "design.toml:3, keep_weights='some'; expected none, stored or"),
        ("device = 'gpu'\n", "design.toml:3, device='gpu'; expected cpu or cuda"),
        ("about = 3\n", "design.toml:3, about=3; expected a text"),
        ("grid = 3\n", "design.toml:3, grid=3; expected a table with a list of values"),
        ("sample = [1]\n", "design.toml:3, sample=[1]; expected a table with count, seed"),
        ("zip = 1\n", "design.toml:3, zip=1; expected a list of tables"),
        ("[zip]\nspec.depth = [1]", "design.toml:3, zip={'spec': {'depth': [1]}}; expected a list"),
        ("spec = 'deep'\n", "design.toml:3, spec='deep'; expected a table of fields of a spec"),
        ("sedes = 3\n", "design.toml:3, Design has no field sedes (given sedes=3)"),
        ("sedes = 3\n", "did you mean `seeds`?"),
        ("\n[gird]\nspec.depth = [1]", "design.toml:4, Design has no field gird"),
        ("\n[gird]\nspec.depth = [1]", "did you mean `grid`?"),
        ("[trainings]\nlr = 1", "did you mean `training`?"),
        ("[training]\nlrr = 1", "design.toml:4, training.lrr=1, which is no field"),
        ("[training]\nlrr = 1", "did you mean `training.lr`?"),
        ("[training]\nlr = 1\nseeds = 2", "design.toml:5, training.seeds=2, which is no field"),
        ("[training]\nlr = 1\nseeds = 2", "write `seeds` above the first table"),
        ("[training]\nlr = inf", "design.toml:4, training.lr=inf; expected finite numbers"),
        ("[training]\nlr = 2020-01-01", "design.toml:4, training.lr=datetime.date(2020, 1, 1)"),
        ("[measure]\naudit.x = [{y = nan}]", "design.toml:4, measure.audit.x.0.y=nan"),
        ("[grid]\nspec.dept = [1]", "design.toml:4, spec.dept=[1], which is no field"),
        ("[grid]\nspec.dept = [1]", "did you mean `spec.depth`?"),
        ("[grid]\nspec.depth = 3", "design.toml:4, spec.depth=3; expected a list"),
        ("[grid]\nspec.depth = []", "design.toml:4, spec.depth=[]; expected a list"),
        ("[grid]\ntraining.lr = [1.0, nan]", "design.toml:4, grid.training.lr.1=nan; expected"),
        ("[grid]\nspec.depth = [1, 2, 1]", "design.toml:4, spec.depth=1 twice; expected each"),
        ("[[zip]]\nspec.depth = [1, 1]", "design.toml:4, spec.depth=1 twice"),
        ("[grid]\nmeasure.starts = [1]", "design.toml:4, measure.starts=[1], which is varied"),
        ("[grid]\nseed = [1, 2]", "design.toml:4, seed=[1, 2], which is no field"),
        (
            "[[zip]]\nspec.depth = [1, 2]\n# more\nspec.width = [1]",
            "design.toml:4 and 6, 2 values of spec.depth with 1 values of spec.width; "
            "expected lists of one length",
        ),
        ("[[zip]]\n[[zip]]\nspec.depth = [1]", "design.toml:3, a zip of no fields"),
        ("[sample]\ncount = 2", "design.toml:3, a sample of 2 points of no fields"),
        ("[sample]\ncuont = 2\nspec.depth = {low = 1, high = 2}", "design.toml:4, a sample with"),
        (
            "[sample]\ncount = 2\nspec.depth = {low = 1, high = 2}",
            "design.toml:5, spec.depth={'low': 1, 'high': 2}; expected whole numbers; add whole",
        ),
        ("[sample]\ncount = -2\nspec.depth = {low = 1, high = 2}", "design.toml:4, a sample with"),
        (
            "[sample]\ncount = 2\nspec.depth = {low = 3, high = 2}",
            "design.toml:5, spec.depth: low=3 with high=2; expected a `low` below its `high`",
        ),
        (
            "[sample]\ncount = 2\ntraining.lr = {low = 0, high = 2, scale = 'log'}",
            "design.toml:5, training.lr: low=0 with scale='log'; expected a `low` above 0",
        ),
        (
            "[spec]\ndepth = 2\n[grid]\nspec.depth = [1]",
            "design.toml:4 and 6, spec.depth, which is both fixed and varied",
        ),
        (
            "[grid]\nspec.depth = [1]\n'spec.depth' = [2]",
            "design.toml:4 and 5, spec.depth, which is varied twice",
        ),
        (
            "[grid]\nspec.depth = [1]\n[[zip]]\nspec.depth = [1]",
            "design.toml:4 and 6, spec.depth, which is varied twice",
        ),
        (
            "[[zip]]\nspec.depth = [1]\n[sample]\ncount = 1\nspec.depth = {choices = [1]}",
            "design.toml:4 and 7, spec.depth, which is varied twice",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_told_with_its_line(read, text, words):
    assert words in message(read, HEAD + text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "design.toml, which is empty; expected a design as a TOML file"),
        (" \n\n", "design.toml, which is empty"),
        ("# nothing\n", "design.toml, Design was given no name"),
        ("name = 'a'\n[grid]\nspec.depth = [1]", "design.toml, no data.source"),
        ("name = 'a'\n[data]\nn = 3", "design.toml:2, no data.source"),
        ("name = 'a b'", "design.toml:1, name='a b'; expected 1 to 100 letters, digits, - and _"),
        ("name = ''", "design.toml:1, name=''; expected 1 to 100 letters"),
        ("name = '../a'", "design.toml:1, name='../a'; expected"),
        ("name = \"a\\n\"", "design.toml:1, name='a\\n'; expected"),
        ("name = 3", "design.toml:1, name=3; expected"),
        ("name = 'a'\nseeds = [1,, 2]", "design.toml:2:12, Invalid value"),
        ("name = 'a'\nseeds = [1,, 2]", "mend line 2 at column 12"),
        ("name = 'a'\nname = 'b'", "design.toml:2:"),
        (f"name = 'a'\nseeds = {'9' * 5000}\n[data]", "design.toml, Exceeds the limit (4300 dig"),
        ("name = 'a'\nseeds = [1,", "design.toml:2:12, "),
        ("a = " + "[" * 100_000, "design.toml, whose values nest too deeply"),
        (bytes(range(256)), "design.toml, which is no text (invalid start byte at byte 128)"),
        (b"PAR1\0\0", "design.toml:1:"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_a_file_that_is_no_design_is_told(read, text, words):
    assert words in message(read, text)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nope.toml", "nope.toml, which cannot be read (No such file or directory)"),
        ("folder", "folder, which is a folder; expected a design as a TOML file"),
        ("/dev/null", "/dev/null, which is no file"),
        ("a\0b", "which cannot be read"),
    ],
)
def test_a_path_that_is_no_file_is_told(tmp_path, monkeypatch, path, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert words in message(Design.from_toml, path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"grid": {"spec.dept": [1]}}, "Design.grid, spec.dept=[1], which is no field"),
        ({"grid": {1: [1]}}, "expected a table with a list of values for each field"),
        ({"grid": [1]}, "grid=[1]; expected a table"),
        ({"zip": [3]}, "zip=[3]; expected a list of tables"),
        ({"zip": [{"spec.depth": [1], "spec.width": [1, 2]}]}, "Design.zip[0], 1 values of"),
        ({"spec": {"depth": 1}, "grid": {"spec.depth": [1]}}, "Design.spec and Design.grid, spec."),
        ({"sample": {"count": 1, "spec.depth": 3}}, "Design.sample, spec.depth=3; expected a"),
        ({"training": {"lr": math.nan}}, "Design.training, training.lr=nan; expected finite"),
        ({"training": {"lr": SimpleNamespace()}}, "training.lr=namespace(); expected finite"),
        ({"measure": {"audit": {3: 4}}}, "Design.measure, the name 3; expected names as text"),
        ({"seeds": [1, 1]}, "seeds=[1, 1]; expected each seed once"),
        ({"data": {}}, "Design.data, no data.source"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_python_is_told_with_its_argument(fields, words):
    assert words in message(Design, **{"name": "a", "data": DATA, **fields})
