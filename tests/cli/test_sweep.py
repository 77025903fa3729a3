"""`sweep`: a design is planned, run, watched, shown; run again it goes on."""

import re

import polars as pl
import pytest

import mnemoscope as mn
from mnemoscope.cli.sweep import SWEEP_COMMANDS
from mnemoscope.cli.sweep.report import stored_axes
from mnemoscope.report.sweep import Axis, Sampled
from tests.cli.conftest import options_of
from tests.sweep.designs import text

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

    state = run("sweep", "status", "runs/small")
    assert re.search(r"done +4 of 4", state.out)
    (message,) = run("sweep", "status", "runs/small", "--json").json
    assert (message["state"], message["missing"], message["failed"]) == ("done", 0, 0)

    page = run(
        "sweep", "report", "runs/small", "--charts", "charts", "--table", "rows.parquet",
        "--settings", "settings.csv", "--json",
    )  # fmt: skip
    assert "runs/small/report.html" in page.json["written"]
    assert "Depth, and what it does" in (here / "runs/small/report.html").read_text()
    assert (here / "charts/stored-depth.svg").exists() or list((here / "charts").glob("*.svg"))
    assert pl.read_parquet(here / "rows.parquet").height == 4
    assert "settings.csv" in page.json["written"]
    settings = pl.read_csv(here / "settings.csv").filter(of="stored")
    assert settings["depth"].to_list() == ["all", "2", "3"]
    assert settings["runs"].to_list() == [4, 2, 2]
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
    # Evaluated in another batch than in training, it differs by rounding.
    assert loss == pytest.approx(row["loss"], rel=1e-3)
    assert (shown.json["network_loss"], shown.json["network_steps"]) == (row["loss"], row["steps"])
    audited = run("audit", "net.safetensors", "--json", "--starts", "20", "--out", "runs/net")
    assert audited.json["stored"]["count"] == row["stored"]
    assert "no key begins" in run("sweep", "show", "runs/small", "zz").err


def test_the_designs_that_come_with_it(run):
    message = run("sweep", "designs", "--json").json
    assert [one["name"] for one in message] == list(mn.sweep.designs.DESIGNS)
    for one in message:
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
        ("run broken.toml", "at line 1, column 8"),
        ("plan small.toml --pilot -1", "--pilot"),
        ("status taken", "where no sweep is"),
        ("report taken", "where no sweep is"),
        ("report none.parquet", "none.parquet, which cannot be read"),
        ("report foreign.parquet", "without the columns key, status, seed"),
        ("report small.toml --format png", "--format png without --charts"),
        ("show taken x", "where no sweep is"),
    ],
)
def test_wrong_input_is_one_line(run, here, design, line, says):
    (here / "taken").mkdir()
    (here / "taken" / "a").write_text("")
    (here / "broken.toml").write_text("name = \n")
    pl.DataFrame({"a": [1]}).write_parquet(here / "foreign.parquet")
    done = run("sweep", *line.split())
    assert done.code == 2
    assert done.out == ""
    assert says in done.err
    assert done.err.count("\n") == 1
    assert (here / "taken" / "a").exists()


@pytest.fixture
def two_sweeps(run, here):
    """In one folder: `tiny` and `other`, of six runs each."""
    for name in ("tiny", "other"):
        (here / f"{name}.toml").write_text(text().replace('"tiny"', f'"{name}"'))
        assert run("sweep", "run", f"{name}.toml", "--in-process", "--out", "both").code == 0
    return here / "both"


@pytest.mark.parametrize("file", ["other.json", "other.parquet"])
def test_a_broken_plan_hides_no_other_sweep(run, two_sweeps, file):
    (two_sweeps / "plans" / file).write_text("")
    state = run("sweep", "status", "both")
    assert state.code == 2
    assert re.search(r"^tiny: ended\n +done +6 of 6", state.out, re.MULTILINE)
    assert state.out.startswith("other: its plan cannot be read: run it again to go on\ntiny")
    assert_one_line(state.err, f"both/plans/{file}", "run the sweep again")

    state = run("sweep", "status", "both", "--json")
    assert state.code == 2
    assert_one_line(state.err, f"both/plans/{file}", "run the sweep again")
    assert [(one["name"], one["state"], one["done"]) for one in state.json] == [
        ("other", "broken", 0), ("tiny", "done", 6),
    ]  # fmt: skip
    assert file in state.json[0]["failures"][0]["reason"]


def test_a_broken_note_of_a_failure_is_reported_beside_all_else(run, two_sweeps):
    (two_sweeps / "failures").mkdir(exist_ok=True)
    (two_sweeps / "failures/a.json").write_text("{")
    state = run("sweep", "status", "both")
    assert (state.code, state.err) == (0, "")
    assert len(re.findall(r"done +6 of 6", state.out)) == 2
    (line,) = [line for line in state.out.splitlines(keepends=True) if "a.json" in line]
    assert_one_line(line, "both/failures/a.json, which is broken", "run the sweep again")

    for one in run("sweep", "status", "both", "--json").json:
        assert (one["done"], one["failed"]) == (6, 0)
        assert [part["keys"] for part in one["failures"]] == [[]]
        assert "failures/a.json" in one["failures"][0]["reason"]

    assert run("sweep", "report", "both", "--sweep", "tiny").code == 0
    assert "both/failures/a.json, which is broken" in (two_sweeps / "report.html").read_text()


def test_rows_that_are_damaged_inside_are_named(run, two_sweeps):
    rows = sorted(two_sweeps.glob("rows/*/*.parquet"))[2]
    content = rows.read_bytes()
    rows.write_bytes(content[:4] + b"\xff" * 2000 + content[2004:])
    state = run("sweep", "status", "both")
    assert (state.code, state.out) == (2, "")
    assert_one_line(state.err, rows.name, "remove it")


@pytest.mark.parametrize("line", ["report both --sweep tiny", "show both KEY"])
def test_rows_that_are_damaged_where_nothing_was_read_before_are_named(run, two_sweeps, line):
    rows = sorted(two_sweeps.glob("rows/*/*.parquet"))[2]
    key = pl.read_parquet(rows)["key"][0]
    # How a compressed page begins; those of the first columns tell what is done.
    begin = bytes.fromhex("28b52ffd")
    pages = rows.read_bytes().split(begin)
    rows.write_bytes(begin.join(pages[:9]) + b"none" + b"none".join(pages[9:]))
    assert run("sweep", "status", "both").code == 0
    done = run("sweep", *line.replace("KEY", key).split())
    assert (done.code, done.out) == (2, "")
    assert_one_line(done.err, rows.name, "remove it")


def assert_one_line(text, *words):
    assert text.count("\n") == 1
    for word in words:
        assert word in text


@pytest.mark.parametrize("command", SWEEP_COMMANDS, ids=lambda command: command.__name__)
def test_the_help_tells_every_option(run, wide, command):
    done = run("sweep", command.__name__, "--help")
    assert done.code == 0
    for name, parameter in options_of(command):
        (line,) = re.findall(rf".*--{name.replace('_', '-')}\b .*", done.out)
        if parameter.default is None:
            assert "default:" in line or "left out" in line


def test_the_axes_of_a_page_are_those_of_the_stored_design():
    design = mn.sweep.Design(
        name="axes",
        data={"source": "digits"},
        grid={"spec.width": [8, [8, 4]]},
        zip=[{"training.optimizer": ["adam", "lbfgs"], "training.lr": [0.1, 1.0]}],
        sample={
            "count": 16,
            "training.tol": {"low": 1e-4, "high": 1e-1, "scale": "log"},
            "data.n": {"choices": [2, 3]},
        },
    )
    columns = ["width", "widths", "optimizer", "lr", "tol", "n"]
    width, pair, tol, n = stored_axes(design.to_dict(), columns)
    assert (width.columns, pair.columns) == (("width", "widths"), ("optimizer", "lr"))
    assert tol == Axis(("tol",), Sampled(1e-4, 1e-1, log=True, whole=False, count=16))
    assert n == Axis(("n",))


def test_a_design_that_cannot_be_read_leaves_an_axis_for_each_column():
    assert stored_axes({"name": "axes", "grit": {}}, ["depth", "lr"]) == [
        Axis(("depth",)), Axis(("lr",))
    ]  # fmt: skip
