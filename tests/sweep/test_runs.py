"""The runs of a design, and the key that an error of one names."""

import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep import configuration as configuration_module
from mnemoscope.sweep import configured as configured_module
from mnemoscope.sweep import runs as runs_module
from mnemoscope.sweep.configured import configuration, forget_examples
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.runs import planned_runs

HEAD = """\
name = "a"
[data]
source = "digits"
n = 4
"""


SECTIONS = ("training", "grid.training", "data", "grid.data")


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def from_text(text):
        (tmp_path / "design.toml").write_text(text, encoding="utf-8")
        return Design.from_toml("design.toml")

    return from_text


def test_every_setting_is_run_with_every_seed():
    design = Design(
        name="a",
        data={"source": "digits", "n": 4},
        training={"max_steps": 10},
        grid={"spec.depth": [1, 2]},
        zip=[{"spec.width": [3, 5], "data.offset": [0, 4]}],
        seeds=[7, 2],
    )
    runs = planned_runs(design, "code")
    assert len(runs) == design.count == 8
    values = [run.configuration.to_dict() for run in runs]
    assert [(one["spec"]["depth"], one["spec"]["width"], one["seed"]) for one in values] == [
        (1, 3, 7),
        (1, 3, 2),
        (1, 5, 7),
        (1, 5, 2),
        (2, 3, 7),
        (2, 3, 2),
        (2, 5, 7),
        (2, 5, 2),
    ]
    assert runs[2].factors == {"spec.depth": 1, "spec.width": 5, "data.offset": 4}
    assert all(run.configuration.training.max_steps == 10 for run in runs)


def test_a_run_is_its_configuration_and_key():
    design = Design(name="a", data={"source": "digits", "n": 4}, grid={"spec.depth": [3]})
    (run,) = planned_runs(design, "code")
    alone = configuration({"depth": 3}, {"source": "digits", "n": 4}, {}, {}, seed=0)
    assert run.configuration == alone
    assert run.key == alone.key("code") != planned_runs(design, "other code")[0].key


def test_runs_that_are_the_same_are_run_once():
    grid = {"training.lr": [None, 1e-3, 1e-2], "training.batch_size": [None, 4]}
    design = Design(name="a", data={"source": "digits", "n": 4}, grid=grid)
    runs = planned_runs(design, "code")
    # Adam's own rate is 1e-3, and the full batch is all 4 examples.
    assert len({run.key for run in runs}) == len(runs) == 2
    assert [run.configuration.training.lr for run in runs] == [1e-3, 1e-2]
    assert runs[0].factors == {"training.lr": None, "training.batch_size": None}


def test_a_sample_is_run_at_each_point():
    sample = {"count": 16, "training.lr": {"low": 1e-4, "high": 1e-1, "scale": "log"}}
    runs = planned_runs(Design(name="a", data={"source": "digits", "n": 4}, sample=sample), "code")
    assert len({run.configuration.training.lr for run in runs}) == 16


def refused(design, code="code"):
    with pytest.raises(MnemoscopeError) as error:
        planned_runs(design, code)
    assert "\n" not in str(error.value)
    return error.value


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        (
            "[spec]\nkind = 'convolutional'\n[grid]\nspec.depth = [8, 3]\nspec.downsample = [1, 2]",
            "grid.spec.depth",
            "depth=3 with downsample=2",
        ),
        ("[spec]\nkind = 'convolutional'\n[grid]\nspec.width = [8]", "grid.spec.width", "width"),
        ("[grid]\nspec.depth = [1, 0]", "grid.spec.depth", "depth=0"),
        ("[grid]\nspec.depth = ['two']", "grid.spec.depth", "'two'"),
        ("[grid]\nspec.activation = ['reluu']", "grid.spec.activation", "`relu`"),
        ("[grid]\ntraining.optimizer = ['adma']", None, "training.optimizer='adma'"),
        ("[grid]\ntraining.schedule = ['plataeu']", None, "training.schedule='plataeu'"),
        ("[grid]\ntraining.lr = [0.1, -1]", None, "training.lr=-1"),
        ("[training]\noptimizer = 'gauss_newton'\n[grid]\ntraining.lr = [0.1]", None, "lr=0.1"),
        ("[grid]\ntraining.batch_size = [4, 5]", "grid.training.batch_size", "batch_size=5"),
        ("[grid]\ndata.offset = [0, 1796]", None, "data.offset=1796"),
        ("[training]\ntol = '1e-8'", "training.tol", "1e-8"),
        ("[grid]\ntraining.lr = [true]", "grid.training.lr", "training.lr=True"),
        (
            "[spec]\nactivation = 'tanh'\n[grid]\nspec.width = [8, 1_000_000_000]",
            "spec",
            "1.1e+12 weights",
        ),
        (
            "[grid]\ntraining.lr = [0.1]\nspec.depth = [8]\nspec.width = [8, 1_000_000]",
            "spec",
            "96 TB",
        ),
        ("[spec]\nkind = 'convolutional'\nchannels = 1_000_000\n", "spec", "channels=1000000"),
        ("size = 100_000", None, "size=100000"),
        ("[spec]\nshape = [3]\n", "spec.shape", "shape=(3,)"),
        ("[measure]\nstarts = 0", "measure.starts", "starts=0"),
        ("[measure]\ntake = ['stord']", "measure.take", "`stored`"),
        ("[measure]\nstart_kind = 'unifrom'", "measure.start_kind", "`uniform`"),
        (
            "[measure]\ntake = ['audit']\naudit.startz = 3",
            "measure.audit",
            "`starts`",
        ),
        (
            "[measure]\nheld_out = 3\nheld_out_offset = 1\ntake = 'generalization'",
            "measure.held_out_offset",
            "held-out examples 1 to 3",
        ),
        (
            "[sample]\ncount = 4\nspec.depth = {low = -3, high = -1, whole = true}",
            "sample.spec.depth",
            "spec.depth=-",
        ),
    ],
)
def test_what_is_wrong_with_a_run_is_named_by_its_key(read, text, field, words):
    error = refused(read(HEAD + text))
    # Other packages may name the field or only the section.
    assert error.field == field or (field is None and error.field.startswith(SECTIONS))
    assert words in str(error)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("digitz", "digitz"),
        ("http://127.0.0.1/x.npy", "a URL"),
        ("https://[bad?n=4&width=3", "a URL"),
        ("s3://bucket/x.npy", "a URL"),
        ("./nothing.npy", "nothing.npy, which does not exist"),
        ("a//nothing.npy", "a/nothing.npy, which does not exist"),
        ("run=3/x.npy", "run=3/x.npy, which does not exist"),
        ("", "an empty source"),
        ("x\ty", "'x\\ty'"),
    ],
)
def test_a_source_that_cannot_be_had_is_named(read, source, words):
    text = f"name = 'a'\n[data]\nn = 4\nsource = '{source}'\n[grid]\nspec.width = [8, 9]"
    error = refused(read(text))
    assert error.field.startswith("data")
    assert words in str(error)


def test_examples_that_no_memory_holds_are_refused_before_they_are_made(read, monkeypatch):
    monkeypatch.setattr(configured_module, "examples", failing("examples that were loaded"))
    text = "name = 'a'\n[data]\nsource = 'digits'\nn = 2_000_000_000\nsize = 4096\n"
    error = refused(read(text))
    assert error.field == "data.n"
    assert "n=2000000000, size=4096 of digits, which do not fit into memory" in error.given


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_examples_that_do_not_fit_are_refused(read, monkeypatch, error):
    def load(*_, **__):
        raise error

    monkeypatch.setattr(configuration_module, "load_data", load)
    forget_examples()
    error = refused(read(HEAD))
    assert (error.field, "n=4 of digits, which do" in error.given) == ("data.n", True)


def failing(given, field=None):
    def fail(*_, **__):
        raise MnemoscopeError(given, expected="something else", todo="change it", field=field)

    return fail


@pytest.mark.parametrize(
    ("field", "key", "begin"),
    [
        ("spec.width", "spec.width", "spec.width (spec.depth=2): it"),
        ("spec.depth", "grid.spec.depth", "grid.spec.depth (spec.depth=2): it"),
        ("spec", "spec", "spec (spec.depth=2): it"),
        ("data.n", "data.n", "data.n (data.offset=1): it"),
        (None, None, "(spec.depth=2 with data.offset=1): it"),
    ],
)
def test_the_key_at_fault_is_named_with_what_varies_there(read, monkeypatch, field, key, begin):
    monkeypatch.setattr(runs_module, "configuration", failing("it", field))
    text = "[spec]\nwidth = 8\n[grid]\nspec.depth = [2]\ndata.offset = [1]"
    error = refused(read(HEAD + text))
    assert error.field == key
    assert error.given == begin


def test_nothing_is_planned_of_a_design_with_a_fault_at_its_end():
    depths = [*range(1, 30), 0]
    design = Design(name="a", data={"source": "digits", "n": 4}, grid={"spec.depth": depths})
    assert refused(design).field == "grid.spec.depth"


def test_more_runs_than_fit_the_memory_are_refused_at_once(read):
    text = "seeds = 2_000_000_000\n" + HEAD + "[grid]\nspec.depth = [1, 2]"
    assert "4000000000 runs" in refused(read(text)).given
