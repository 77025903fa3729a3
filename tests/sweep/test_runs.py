"""The runs of a design, and where what is wrong with one is told to stand."""

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
    told = [run.configuration.told() for run in runs]
    assert [(one["spec"]["depth"], one["spec"]["width"], one["seed"]) for one in told] == [
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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[spec]\nkind = 'convolutional'\n[grid]\nspec.depth = [8, 3]\nspec.downsample = [1, 2]",
            "design.toml:8 and 9, spec.depth=3 with spec.downsample=2: depth=3 with downsample=2; "
            "expected a depth of 4 or more",
        ),
        (
            "[spec]\nkind = 'convolutional'\n[grid]\nspec.width = [8]",
            "design.toml:6 and 8, spec.kind='convolutional' with spec.width=8: Convolutional has "
            "no field width",
        ),
        ("[grid]\nspec.depth = [1, 0]", "design.toml:6, spec.depth=0: depth=0; expected a whole"),
        ("[grid]\nspec.depth = ['two']", "design.toml:6, spec.depth='two': depth='two'; expected"),
        ("[grid]\nspec.activation = ['reluu']", "did you mean `relu`?"),
        ("[grid]\ntraining.optimizer = ['adma']", "did you mean `adam`?"),
        ("[grid]\ntraining.schedule = ['plataeu']", "did you mean `plateau`?"),
        ("[grid]\ntraining.lr = [0.1, -1]", "design.toml:6, training.lr=-1: lr=-1"),
        (
            "[training]\noptimizer = 'gauss_newton'\n[grid]\ntraining.lr = [0.1]",
            "design.toml:6 and 8, training.optimizer='gauss_newton' with training.lr=0.1: lr=0.1 "
            "with gauss_newton; expected no learning rate",
        ),
        ("[grid]\ntraining.batch_size = [4, 5]", "design.toml:6, training.batch_size=5: batch"),
        (
            "[grid]\ndata.offset = [0, 1796]",
            "design.toml:3, 4 and 6, data.source='digits' with data.n=4 with data.offset=1796: n=4",
        ),
        ("[training]\ntol = '1e-8'", "design.toml:6, training.tol='1e-8': tol='1e-8'; expected a"),
        ("[grid]\ntraining.lr = [true]", "design.toml:6, training.lr=True: lr=True; expected a"),
        (
            "[spec]\nactivation = 'tanh'\n[grid]\nspec.width = [8, 1_000_000_000]",
            "design.toml:8, spec.width=1000000000: width=1000000000, depth=8 for states of 64 "
            "entries: over 1.1e+12 weights in a layer; expected at most so many, and 70 TB",
        ),
        (
            "[grid]\ntraining.lr = [0.1]\nspec.depth = [8]\nspec.width = [8, 1_000_000]",
            "design.toml:7 and 8, spec.depth=8 with spec.width=1000000: width=1000000, depth=8 for "
            "states of 64 entries: 6e+12 weights, which take 96 TB in training; expected",
        ),
        (
            "[spec]\nkind = 'convolutional'\nchannels = 1_000_000\n",
            "design.toml:7, spec.channels=1000000: depth=8, channels=1000000, kernel_size=3 for",
        ),
        ("size = 100_000", "design.toml:3 and 5, data.source='digits' with data.size=100000: "),
        ("[spec]\nshape = [3]\n", "design.toml:6, spec.shape=[3]: spec.shape=(3,) for examples of"),
        ("[measure]\nstarts = 0", "design.toml:6, measure.starts=0: starts=0; expected a whole"),
        ("[measure]\ntake = ['stord']", "design.toml:6, measure.take=['stord']: "),
        (
            "[measure]\ntake = ['audit']\naudit.startz = 3",
            "design.toml:7, measure.audit={'startz': 3}: measure.audit with 'startz'",
        ),
        ("[measure]\ntake = ['stord']", "did you mean `stored`?"),
        (
            "[measure]\nheld_out = 3\nheld_out_offset = 1\ntake = 'generalization'",
            "design.toml:7, measure.held_out_offset=1: held-out examples 1 to 3",
        ),
        (
            "[sample]\ncount = 4\nspec.depth = {low = -3, high = -1, whole = true}",
            "design.toml:7, spec.depth=-",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_run_is_told_with_its_lines(read, text, words):
    design = read(HEAD + text)
    with pytest.raises(MnemoscopeError) as error:
        planned_runs(design, "code")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_examples_source_is_told_with_its_line(read):
    design = read("name = 'a'\n[data]\nsource = 'digitz'\n[grid]\nspec.depth = [1]")
    with pytest.raises(
        MnemoscopeError, match=r"design\.toml:3, data\.source='digitz': digitz, whi"
    ):
        planned_runs(design, "code")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("http://127.0.0.1/x.npy", "data.source, which is a URL; expected what is on this machine"),
        ("https://[bad?n=4&width=3", "data.source, which is a URL"),
        ("s3://bucket/x.npy", "data.source, which is a URL"),
        ("./nothing.npy", "data.source, nothing.npy, which does not exist"),
        ("a//nothing.npy", "data.source, a/nothing.npy, which does not exist"),
        ("run=3/x.npy", "data.source, run=3/x.npy, which does not exist"),
        ("", "data.source, an empty source"),
        ("x\ty", "data.source, 'x\\ty', which is no usable path"),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_had_is_told_with_its_line(read, source, words):
    text = f"name = 'a'\n[data]\nn = 4\nsource = '{source}'\n[grid]\nspec.width = [8, 9]"
    with pytest.raises(MnemoscopeError) as error:
        planned_runs(read(text), "code")
    assert str(error.value).startswith(f"design.toml:4, data.source={source!r}: {words}")


def test_examples_that_no_memory_holds_are_told_before_they_are_made(read, monkeypatch):
    monkeypatch.setattr(configured_module, "examples", failing("examples that were loaded"))
    text = "name = 'a'\n[data]\nsource = 'digits'\nn = 2_000_000_000\nsize = 4096\n"
    with pytest.raises(MnemoscopeError) as error:
        planned_runs(read(text), "code")
    assert str(error.value).startswith(
        "design.toml:3, 4 and 5, data.source='digits' with data.n=2000000000 with data.size=4096: "
        "n=2000000000, size=4096 of digits, which do not fit into memory; expected"
    )


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_examples_that_do_not_fit_are_told(read, monkeypatch, error):
    def load(*_, **__):
        raise error

    monkeypatch.setattr(configuration_module, "load_data", load)
    forget_examples()
    with pytest.raises(MnemoscopeError, match=r"design\.toml:3 and 4, .*: n=4 of digits, which do"):
        planned_runs(read(HEAD), "code")


def test_of_a_design_in_python_the_argument_is_told():
    design = Design(name="a", data={"source": "digits"}, grid={"spec.depth": [0]})
    with pytest.raises(MnemoscopeError, match=r"^Design\.grid, spec\.depth=0: depth=0; expected"):
        planned_runs(design, "code")


def failing(given, todo="mend it"):
    def fail(*_, **__):
        raise MnemoscopeError(given, expected="something else", todo=todo)

    return fail


@pytest.mark.parametrize(
    ("given", "todo", "words"),
    [
        ("a network too large", "mend it", "design.toml:8 and 9, spec.depth=2 with spec.init='"),
        ("it", "lower `spec.width`", "design.toml:6, spec.width=8: it; expected"),
        ("spec.width so large", "", "design.toml:6, spec.width=8: spec.width so large"),
        ("it", "lower `width`", "design.toml:6, spec.width=8: it; expected"),
        ("an ntk that fails", "mend it", "design.toml:9, spec.init='ntk': an ntk that fails"),
        ("FullyConnected(width=8, init='ntk')", "", "design.toml:6 and 9, spec.width=8 with spec"),
    ],
)  # fmt: skip
def test_the_fields_at_fault_are_those_named_else_all_varied_ones(
    read, monkeypatch, given, todo, words
):
    monkeypatch.setattr(runs_module, "configuration", failing(given, todo))
    design = read(HEAD + "[spec]\nwidth = 8\n[grid]\nspec.depth = [2]\nspec.init = ['ntk']")
    with pytest.raises(MnemoscopeError) as error:
        planned_runs(design, "code")
    assert str(error.value).startswith(words)


def test_where_nothing_is_varied_the_file_is_told(read, monkeypatch):
    monkeypatch.setattr(runs_module, "configuration", failing("a thing"))
    with pytest.raises(MnemoscopeError, match=r"^design\.toml: a thing; expected something else; "):
        planned_runs(read(HEAD), "code")


def test_nothing_is_planned_of_a_design_with_a_fault_at_its_end():
    depths = [*range(1, 30), 0]
    with pytest.raises(MnemoscopeError, match=r"spec\.depth=0"):
        planned_runs(
            Design(name="a", data={"source": "digits", "n": 4}, grid={"spec.depth": depths}), ""
        )


def test_more_runs_than_fit_the_memory_are_refused_at_once(read):
    text = "seeds = 2_000_000_000\n" + HEAD + "[grid]\nspec.depth = [1, 2]"
    with pytest.raises(
        MnemoscopeError, match=r"design\.toml:1 and 7, 4000000000 runs; expected at"
    ):
        planned_runs(read(text), "code")
