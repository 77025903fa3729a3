"""The page of a sweep: everything in it, nothing fetched, each mark leading to its run."""

import base64
import re

import polars as pl
import pytest

from mnemoscope.report.sweep import Axis, write_sweep_page
from mnemoscope.report.sweep.runs import MAX_PICTURES, pictured_runs, read_runs
from mnemoscope.report.sweep.tables import trouble_table

from .example_sweep import FACTORS, QUANTITIES, axes, png, sweep_rows

HOSTILE = "</script><img src=x onerror=alert(1)>{{7*7}}"
HEADINGS = ["reading", "happenings", "pairs", "curves", "multiples", "numbers", "pictures", "runs",
            "failures", "provenance"]  # fmt: skip


def written(folder, rows=None, factors=FACTORS, **fields):
    about = {
        "name": "a sweep", "about": "Made up.",
        "provenance": {"date": "2026-01-02T00:00", "store": "runs/my sweep"},
    }  # fmt: skip
    about |= {name: fields.pop(name) for name in about if name in fields}
    rows = sweep_rows() if rows is None else rows
    design = factors if factors and isinstance(factors[0], Axis) else axes(*factors)
    return write_sweep_page(rows.lazy(), folder / "sweep.html", axes=design,
                            quantities=QUANTITIES, about=about,
                            **{"planned": 2000, **fields})  # fmt: skip


def text_of(*args, **fields):
    return written(*args, **fields).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    failures = [{"reason": "timeout after 600 s", "runs": 12}, {"reason": "lost", "runs": 1}]
    return written(tmp_path_factory.mktemp("sweep"), failures=failures)


def test_the_page_tells_all_of_it_in_order(full):
    text = full.read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)"', text) == HEADINGS
    assert "1,980 of 2,000 runs are done: 1,298 interpolated, 558 did not, 124 diverged;" in text
    assert "13 failed." in text
    for words in ("Made up.", "timeout after 600 s", "Wilson", "conservative", "all others pooled"):
        assert words in text
    assert "24 of the 180 settings that have a picture" in text


def test_every_link_has_its_anchor_once(full):
    text = full.read_text(encoding="utf-8")
    anchors = re.findall(r'id="(run-\w+)"', text)
    links = set(re.findall(r'"#(run-\w+)"', text))
    assert len(anchors) == len(set(anchors)) == 180
    assert links <= set(anchors)
    assert len(links) > 50
    assert "<code>mnemoscope sweep show &#39;runs/my sweep&#39; KEY</code>" in text
    assert f"<code>{anchors[0][4:]}</code>" in text


@pytest.mark.parametrize("places", [["factor", "name", "about", "reason", "store"], ["status"]])
def test_nothing_of_it_is_run_as_code(tmp_path, places):
    hostile = {place: HOSTILE + place for place in places}
    rows = sweep_rows(activations=("tanh", hostile.get("factor", "relu")), seeds=1)
    if "status" in hostile:
        text = text_of(tmp_path, rows.with_columns(status=pl.lit(hostile["status"])))
    else:
        text = text_of(
            tmp_path,
            rows,
            name=hostile["name"],
            about=hostile["about"],
            failures=[{"reason": hostile["reason"], "runs": 1}],
            provenance={"store": hostile["store"]},
        )
    assert HOSTILE not in text
    assert "<img src=x" not in text
    for place in places:
        assert re.search(r"&lt;img src=x[^<>]*\{\{7\*7\}\}" + place, text), place


@pytest.mark.parametrize("rows", [0, 1, 2])
@pytest.mark.parametrize("factors", [(), ("depth",), ("depth", "n"), FACTORS])
def test_a_sweep_that_has_hardly_begun(tmp_path, rows, factors):
    text = text_of(tmp_path, sweep_rows().head(rows), factors)
    assert ("None of 2,000 runs is done" if rows == 0 else f"{rows} of 2,000 runs") in text
    assert "data-chart=" not in text
    assert text.count('id="run-') == min(rows, 1)


def test_a_table_with_no_columns(tmp_path):
    text = text_of(tmp_path, pl.DataFrame(), ("depth",))
    assert "no column depth" in text


@pytest.mark.parametrize("lacking", [["stored"], ["stored", "contractive", "spurious", "starts"]])
def test_what_was_not_measured_is_not_drawn(tmp_path, lacking):
    text = text_of(tmp_path, sweep_rows(seeds=2).drop(lacking))
    assert 'data-chart="stored-depth-n"' not in text
    assert 'data-chart="interpolated-depth-n"' in text
    assert 'data-chart="map-generalized"' in text


def test_a_factor_with_one_value_is_reported_and_not_drawn(tmp_path):
    text = text_of(tmp_path, sweep_rows(depths=(3,), seeds=2))
    assert "The factor depth has one value so far, 3." in text
    assert "-depth-" not in "".join(re.findall('data-chart="[^"]*"', text))


def test_what_did_not_occur_is_not_reported(tmp_path):
    rows = sweep_rows(activations=("tanh",), seeds=1).filter(pl.col("status") == "interpolated")
    text = text_of(tmp_path, rows, planned=rows.height)
    heading = f"All {rows.height} runs are done: {rows.height} interpolated."
    assert f'<h1 class="long">{heading}</h1>' in text


def test_factors_that_go_together_are_reported_and_listed_each_by_itself(tmp_path):
    rows = sweep_rows(seeds=2).with_columns(
        batch_size="n",
        optimizer=pl.when(pl.col("lr").is_null()).then(pl.lit("lbfgs")).otherwise(pl.lit("adam")),
    )
    design = (*axes("depth"), Axis(("n", "batch_size")), Axis(("optimizer", "lr")))
    text = text_of(tmp_path, rows, design)
    assert "batch size goes with n:" in text
    assert "each lr belongs to one optimizer, so they are named together" in text
    assert "“adam, 0.001”" in text
    charts = re.findall('data-chart="([^"]*)"', text)
    assert not any("batch_size" in name for name in charts)
    assert "stored-depth-lr" in charts
    assert not {"stored-lr-optimizer", "stored-optimizer-lr"} & set(charts)
    head = re.search(r'<section id="runs">.*?<thead><tr>(.*?)</tr>', text, re.DOTALL)
    assert head is not None
    columns = re.findall(r'class="words">([^<]*)</th>', head.group(1))
    assert columns[:5] == ["depth", "n", "batch size", "lr", "optimizer"]


def test_finely_sampled_and_rare_values_are_reported_to_be_pooled(tmp_path):
    rows = sweep_rows(seeds=1).with_row_index("width")
    rows = rows.with_columns(source="file " + pl.col("width").cast(pl.String))
    text = text_of(tmp_path, rows, ("width", "source"))
    assert "values of width are put into ranges" in text
    assert "rare values of source are counted together as “other”" in text


def test_settings_are_reported_where_runs_went_wrong_the_worst_first():
    table, total = trouble_table(read_runs(sweep_rows().lazy(), axes(*FACTORS), QUANTITIES))
    counts = [tuple(map(int, row[-3:])) for row in table.rows]
    parts = [(lost + diverged) / runs for runs, lost, diverged in counts]
    assert parts == sorted(parts, reverse=True)
    assert min(parts) > 0
    assert total == len(counts) == 136
    assert sum(diverged for _, _, diverged in counts) == 124


def test_pictures_are_spread_over_the_settings_and_shown_as_they_are():
    rows = sweep_rows().lazy()
    runs = read_runs(rows, axes(*FACTORS), QUANTITIES)
    shown, settings = pictured_runs(runs)
    assert (len(shown), settings) == (MAX_PICTURES, 180)
    assert {row["depth"] for row in shown} == {"2", "4", "8", "16"}
    assert {row["lr"] for row in shown} == {"0.001", "0.01", "–"}
    stored = rows.filter(pl.col("key") == shown[5]["key"]).select("picture").collect().item()
    assert shown[5]["picture"].uri == (
        "data:image/png;base64," + base64.b64encode(stored).decode()
    )  # fmt: skip
    assert (shown[0]["picture"].width, shown[0]["picture"].height) == (48, 24)


def test_a_picture_that_is_none_is_reported(tmp_path):
    rows = sweep_rows(depths=(2, 4), examples=(4,), activations=("tanh",), rates=(1e-3,), seeds=1)
    rows = rows.with_columns(picture=pl.Series([b"<svg onload=alert(1)>", png()]))
    text = text_of(tmp_path, rows, ("depth",))
    assert "1 more could not be read as PNG" in text
    assert text.count("<img class") == 1
