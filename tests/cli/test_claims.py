"""`claims` runs what is asked for, prints a table, and writes a page and every run."""

import polars as pl
import pytest

QUICK = ["claims", "projection", "--quick", "--seeds", "2"]


def test_a_table_for_a_reader(run):
    done = run(*QUICK)
    assert (done.code, done.err) == (0, "")
    assert "projection" in done.out
    assert "holds" in done.out
    assert "predicted 0, measured" in done.out


def test_a_list_for_programs(run):
    (claim,) = run(*QUICK, "--json").json
    expected = {
        "name", "statement", "predicted", "measured", "difference", "tolerance", "verdict", "runs",
        "seconds",
    }  # fmt: skip
    assert expected <= set(claim)
    assert claim["verdict"] == "holds"
    assert claim["difference"] <= claim["tolerance"]


def test_a_folder_with_page_and_runs(here, run):
    done = run(*QUICK, "--out", "runs/claims")
    assert done.code == 0
    assert done.out.endswith("runs/claims/claims.html\n")
    page = (here / "runs/claims/claims.html").read_text()
    assert "Gradient descent on one linear layer" in page
    assert "http://" not in page.split("<main>")[1].split("</main>")[0]
    runs = pl.read_parquet(here / "runs/claims/runs.parquet")
    assert set(runs["claim"]) == {"projection"}
    assert {"seed", "interpolated", "relative_error"} <= set(runs.columns)
    assert (here / "runs/claims/claims.json").exists()
    assert not list(here.rglob(".*"))
    # The same again may write over it, another may not.
    assert run(*QUICK, "--out", "runs/claims").code == 0
    refused = run("claims", "projection", "--quick", "--seeds", "3", "--out", "runs/claims")
    assert refused.code == 2
    assert "--force" in refused.err


def test_figures_as_files(here, run):
    done = run(*QUICK, "--charts", "figures", "--format", "png")
    assert done.code == 0
    files = sorted((here / "figures").iterdir())
    assert [file.name for file in files] == ["projection-1.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["claims", "projektion"], "one of projection, nonlinear-span"),
        (["claims", "projection", "--seeds", "0"], "seeds"),
        (["claims", "projection", "--all"], "remove one of them"),
        (["claims", "projection", "--quick", "--long"], "one of them at most"),
        (["claims", "projection", "--quick", "--seeds", "few"], "a whole number"),
        (["claims", "projection", "--workers", "0"], "--workers"),
        (["claims", "projection", "--format", "png"], "--charts"),
    ],
)
def test_wrong_input_is_one_line(run, arguments, says):
    done = run(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1
    assert says in done.err
