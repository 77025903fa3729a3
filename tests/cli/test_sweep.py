"""`sweep`: a design is planned, run, watched, shown; run again it goes on."""

import inspect
import re

import polars as pl
import pytest

import mnemoscope as mn
from mnemoscope.cli.sweep import SWEEP_COMMANDS

DESIGN = """
name = "small"
about = "Depth, and what it does"
seeds = 2
[data]
source = "digits"
n = 3
[spec]
width = 16
activation = "sigmoid"
[training]
max_steps = 1500
[measure]
take = ["stored", "pictures"]
orbit_steps = 100
[grid]
spec.depth = [2, 3]
"""


@pytest.fixture
def design(here):
    (here / "small.toml").write_text(DESIGN)
    return "small.toml"


def test_from_a_design_to_a_page(run, here, design):
    planned = run("sweep", "plan", design, "--pilot", "0")
    assert planned.code == 0
    assert "4 runs; to do: 2 groups of up to 2 runs" in planned.out
    assert not (here / "runs").exists()

    done = run("sweep", "run", design, "--in-process")
    assert (done.code, done.err) == (0, "")
    assert "small: 4 of 4 runs are stored in runs/small; 4 done now" in done.out
    again = run("sweep", "run", design, "--in-process", "--json").json
    assert (again["done"], again["present"], again["failures"]) == (0, 4, [])

    stands = run("sweep", "status", "runs/small")
    assert re.search(r"done +4 of 4", stands.out)
    (told,) = run("sweep", "status", "runs/small", "--json").json
    assert (told["state"], told["missing"], told["failed"]) == ("done", 0, 0)

    page = run(
        "sweep", "report", "runs/small", "--charts", "charts", "--table", "rows.parquet", "--json"
    )
    assert "runs/small/report.html" in page.json["written"]
    assert "Depth, and what it does" in (here / "runs/small/report.html").read_text()
    assert (here / "charts/stored-depth.svg").exists() or list((here / "charts").glob("*.svg"))
    assert pl.read_parquet(here / "rows.parquet").height == 4
    assert run("sweep", "report", "rows.parquet").out == "rows.html\n"


def test_one_run_and_its_network_again(run, here, design):
    run("sweep", "run", design, "--in-process")
    row = mn.sweep.load("runs/small").filter(depth=3, seed=1).collect().row(0, named=True)
    shown = run(
        "sweep", "show", "runs/small", row["key"][:12], "--out", "net.safetensors", "--json"
    )
    assert shown.json["loss"] == row["loss"]
    again = mn.nets.load(here / "net.safetensors")
    X = mn.load_data("digits", n=3)
    loss = float((again(X) - X).detach().square().mean())
    # Replicas and one alone differ by rounding, which late training magnifies.
    assert loss == pytest.approx(row["loss"], rel=0.3)
    assert "no key begins" in run("sweep", "show", "runs/small", "zz").err


def test_the_designs_that_come_with_it(run):
    told = run("sweep", "designs", "--json").json
    assert [one["name"] for one in told] == list(mn.sweep.designs.DESIGNS)
    for one in told:
        assert one["about"].endswith(".")
        planned = run("sweep", "plan", one["name"], "--pilot", "0", "--json")
        assert planned.json["runs"] == one["runs"]


def test_a_design_in_python(run, here, monkeypatch):
    monkeypatch.syspath_prepend(str(here))
    (here / "my_designs.py").write_text(
        "from mnemoscope.sweep import Design\n"
        "small = Design(name='mine', data={'source': 'digits', 'n': 2}, seeds=2)\n"
    )
    assert "2 runs" in run("sweep", "plan", "my_designs:small", "--pilot", "0").out
    assert "which cannot be imported" in run("sweep", "plan", "my_designs:large").err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("run nothing.toml", "nothing.toml"),
        ("run small", "one of depth-width, examples"),
        ("run depth-widht", "did you mean `depth-width`?"),
        ("run small.toml --workers 0", "--workers 0"),
        ("run small.toml --in-process --mpi", "one of them at most"),
        ("run small.toml --in-process --workers 2", "--workers 2 with --in-process"),
        ("run small.toml --mpi", "a job of one process"),
        ("run small.toml --dask tcp://127.0.0.1:1", "a Dask scheduler that runs"),
        ("run small.toml --out taken", "taken, which already holds other things, such as a"),
        ("run small.toml --out small.toml", "which is a file"),
        ("run broken.toml", "broken.toml:1"),
        ("plan small.toml --pilot -1", "--pilot -1"),
        ("status taken", "where no sweep is"),
        ("report taken", "where no sweep is"),
        ("report none.parquet", "none.parquet, which cannot be read"),
        ("report small.toml --format png", "--format png without --charts"),
        ("show taken x", "where no sweep is"),
    ],
)
def test_wrong_input_is_one_line(run, here, design, line, says):
    (here / "taken").mkdir()
    (here / "taken" / "a").write_text("")
    (here / "broken.toml").write_text("name = \n")
    done = run("sweep", *line.split())
    assert done.code == 2
    assert done.out == ""
    assert says in done.err
    assert done.err.count("\n") == 1
    assert (here / "taken" / "a").exists()


@pytest.mark.parametrize("command", SWEEP_COMMANDS, ids=lambda command: command.__name__)
def test_the_help_tells_every_option(run, wide, command):
    done = run("sweep", command.__name__, "--help")
    assert done.code == 0
    for name, parameter in inspect.signature(command).parameters.items():
        (line,) = re.findall(rf".*--{name.replace('_', '-')}\b .*", done.out)
        if parameter.default is None:
            assert "left out" in line
