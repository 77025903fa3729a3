"""Reading a sweep: each planned run once, regardless of other files in the folder."""

import io
import json
import shutil

import polars as pl
import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep import load, run, status
from mnemoscope.sweep import runs as runs_module
from mnemoscope.sweep import work as work_module
from mnemoscope.sweep.executors import in_process
from mnemoscope.sweep.loading import naming_broken
from tests.sweep.designs import measuring, tiny


@pytest.fixture(scope="module")
def stored_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored") / "sweep"
    run(tiny(grid={"spec.depth": [1, 2]}), folder, executor=in_process())
    return folder


@pytest.fixture
def stored(stored_once, tmp_path):
    """Four runs in two groups."""
    return shutil.copytree(stored_once, tmp_path / "sweep")


def rows_of(folder):
    return sorted(folder.glob("rows/*/*.parquet"))


def keys(folder, sweep=None):
    return sorted(load(folder, sweep).collect()["key"].to_list())


def test_a_row_for_each_run(stored):
    frame = load(stored).collect()
    assert frame.height == frame["key"].n_unique() == 4
    assert sorted(zip(frame["depth"], frame["seed"], strict=True)) == [
        (1, 0), (1, 1), (2, 0), (2, 1),
    ]  # fmt: skip


def test_a_run_that_is_stored_twice_is_shown_once(stored):
    before = keys(stored)
    one = rows_of(stored)[0]
    shutil.copy(one, one.with_name("again.parquet"))
    assert keys(stored) == before


def test_rows_that_nobody_planned_are_left_out(stored):
    before = keys(stored)
    one = rows_of(stored)[0]
    other = pl.read_parquet(one).with_columns(key=pl.lit("0" * 32))
    other.write_parquet(one.with_name("other.parquet"))
    assert keys(stored) == before


def test_rows_of_other_code_are_left_out(stored, monkeypatch):
    before = keys(stored)
    monkeypatch.setattr(runs_module, "code_version", lambda: "other")
    finished = run(
        tiny(grid={"spec.depth": [1, 2]}), stored, executor=with_code("other", monkeypatch)
    )
    assert finished.present == 0
    assert set(keys(stored)).isdisjoint(before)
    assert load(stored).collect()["code"].unique().to_list() == ["other"]


def test_settings_that_a_design_no_longer_has_are_left_out(stored):
    finished = run(tiny(grid={"spec.depth": [2]}), stored, executor=in_process())
    assert (finished.present, finished.done) == (2, 0)
    assert load(stored).collect()["depth"].unique().to_list() == [2]


def test_one_sweep_of_several(stored):
    run(tiny(name="deep", grid={"spec.depth": [2, 3]}), stored, executor=in_process())
    assert len(keys(stored)) == 6
    assert len(keys(stored, "deep")) == len(keys(stored, "tiny")) == 4
    assert {one.name for one in status(stored)} == {"deep", "tiny"}


def test_sweeps_that_measure_other_things_are_one_table(stored):
    run(tiny(name="stored", measure={"take": ["stored"]}), stored, executor=in_process())
    frame = load(stored).collect()
    assert frame.height == 6
    assert frame["stored"].null_count() == 4


def test_a_function_may_give_what_it_likes(tmp_path, monkeypatch):
    monkeypatch.setenv("SWEEP_TEST_FOLDER", str(tmp_path))
    design = measuring("counted", group_size=1)
    assert run(design, tmp_path / "sweep", executor=in_process()).done == 2
    assert load(tmp_path / "sweep").collect()["counted"].to_list() == [1, 1]
    assert run(design, tmp_path / "sweep", executor=in_process()).present == 2


@pytest.mark.parametrize("name", ["~", "with space é", "[1]*", "n=1", "-dash", "a.parquet"])
def test_a_folder_may_have_any_name(name, stored, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored.rename(tmp_path / name)
    assert len(keys(name)) == 4
    assert run(tiny(grid={"spec.depth": [1, 2]}), name, executor=in_process()).present == 4


@pytest.mark.parametrize("name", ["rows.parquet", "[1]*.parquet", "n=1.parquet"])
def test_one_file_of_rows(name, stored, tmp_path):
    whole = load(stored).collect()
    whole.write_parquet(tmp_path / name)
    assert load(tmp_path / name).collect().equals(whole)


def nothing(content):
    return b""


def half(content):
    return content[: len(content) // 2]


def no_parquet(content):
    return b"PAR1" + b"x" * len(content) + b"PAR1"


def foreign(content):
    other = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(other)
    return other.getvalue()


def damaged(content):
    return content[:4] + b"\xff" * (len(content) // 2) + content[4 + len(content) // 2 :]


FRAME = bytes.fromhex("28b52ffd")
"""How a compressed page begins."""


def first_page(content):
    """The keys cannot be decompressed; the footer is whole."""
    return content.replace(FRAME, b"none", 1)


def last_page(content):
    """The same for a column that is not needed to find completed runs."""
    return b"none".join(content.rsplit(FRAME, 1))


BREAK = [nothing, half, no_parquet, damaged, first_page]
INSIDE = [damaged, first_page]


def collected(place):
    with naming_broken(place):
        return load(place).collect()


def in_a_line(call, *words):
    with pytest.raises(MnemoscopeError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert all(word in text for word in words), text


@pytest.mark.parametrize("how", BREAK)
@pytest.mark.parametrize("take", [[], ["counted"]], ids=["own", "functions"])
def test_broken_rows_are_named(how, take, stored, tmp_path, monkeypatch):
    monkeypatch.setenv("SWEEP_TEST_FOLDER", str(tmp_path))
    design = tiny(grid={"spec.depth": [1, 2]})
    if take:
        shutil.rmtree(stored)
        design = measuring("counted", grid={"spec.depth": [1, 2]})
        run(design, stored, executor=in_process())
    broken = rows_of(stored)[1]
    broken.write_bytes(how(broken.read_bytes()))
    name = broken.relative_to(stored).as_posix()
    in_a_line(lambda: run(design, stored, executor=in_process()), name, "remove it")
    in_a_line(lambda: status(stored), name, "remove it")
    in_a_line(lambda: collected(stored), name, "remove it")
    if how not in INSIDE:
        in_a_line(lambda: load(stored), name, "remove it")
    broken.unlink()
    assert run(design, stored, executor=in_process()).done == 2
    assert len(keys(stored)) == 4


def test_damage_where_nothing_is_read_is_met_once_it_is(stored):
    broken = rows_of(stored)[1]
    broken.write_bytes(last_page(broken.read_bytes()))
    assert status(stored)[0].done == 4
    assert load(stored).select("key").collect().height == 4
    in_a_line(lambda: collected(stored), broken.relative_to(stored).as_posix(), "remove it")


@pytest.mark.parametrize("how", INSIDE)
def test_one_file_of_rows_that_is_damaged_inside_is_named(how, stored, tmp_path):
    load(stored).collect().write_parquet(tmp_path / "rows.parquet")
    content = (tmp_path / "rows.parquet").read_bytes()
    (tmp_path / "rows.parquet").write_bytes(how(content))
    in_a_line(lambda: collected(tmp_path / "rows.parquet"), "rows.parquet", "damaged inside")


def test_an_error_that_no_file_is_to_blame_for_is_reported_as_it_is(stored, tmp_path):
    load(stored).collect().write_parquet(tmp_path / "rows.parquet")
    for place in (stored, tmp_path / "rows.parquet"):
        with pytest.raises(pl.exceptions.ColumnNotFoundError), naming_broken(place):
            load(place).select("nothing").collect()


def other_key(content):
    frame = io.BytesIO()
    pl.read_parquet(io.BytesIO(content)).with_columns(key=pl.lit(1)).write_parquet(frame)
    return frame.getvalue()


@pytest.mark.parametrize("how", [*BREAK, foreign, other_key])
def test_a_broken_plan_is_named(how, stored):
    broken = stored / "plans/tiny.parquet"
    broken.write_bytes(how(broken.read_bytes()))
    for call in (
        lambda: load(stored),
        lambda: load(stored, "tiny"),
        lambda: status(stored, "tiny"),
    ):
        in_a_line(call, "plans/tiny.parquet", "run the sweep again")
    run(tiny(grid={"spec.depth": [1, 2]}), stored, executor=in_process())
    assert len(keys(stored)) == 4


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "[" * 100_000], ids=len)
def test_a_broken_note_is_named(text, stored):
    (stored / "plans/tiny.json").write_text(text)
    for call in (lambda: load(stored), lambda: status(stored, "tiny")):
        in_a_line(call, "plans/tiny.json", "run the sweep again")
    run(tiny(grid={"spec.depth": [1, 2]}), stored, executor=in_process())
    assert status(stored)[0].state == "done"


@pytest.mark.parametrize(
    "wrong",
    [
        {"seen": 1}, {"seen": "yesterday"}, {"seen": "2026-01-01T00:00:00"}, {"planned": "4"},
        {"name": "other"}, {"process": None}, {"running": 1}, {"rate": "fast"}, {"state": []},
        {"design": []},
    ],
    ids=str,
)  # fmt: skip
def test_a_note_with_a_wrong_value_is_broken(wrong, stored):
    path = stored / "plans/tiny.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | wrong))
    in_a_line(lambda: status(stored, "tiny"), "plans/tiny.json", "run the sweep again")


def other_type(frame):
    return frame.with_columns(pl.col("key").str.len_bytes().cast(pl.Int64))


def one_column_less(frame):
    return frame.drop("loss")


def one_column_more(frame):
    return frame.with_columns(more=1)


@pytest.mark.parametrize("how", [other_type, one_column_less, one_column_more])
def test_rows_that_no_sweep_wrote_there_are_named_and_hide_no_others(how, stored):
    # Three files that belong there, since of two nobody can say which is foreign.
    run(tiny(grid={"spec.depth": [1, 2, 3]}, group_size=1), stored, executor=in_process())
    foreign = rows_of(stored)[0]
    how(pl.read_parquet(foreign)).write_parquet(foreign)
    name = foreign.relative_to(stored).as_posix()
    for call in (lambda: load(stored), lambda: status(stored)):
        in_a_line(call, name, "remove it")


def test_a_plan_of_another_sweep_is_named(stored):
    run(tiny(name="other", seeds=1), stored, executor=in_process())
    shutil.copy(stored / "plans/other.parquet", stored / "plans/tiny.parquet")
    in_a_line(lambda: status(stored, "tiny"), "plans/tiny.parquet", "run the sweep again")


def test_a_plan_without_its_note_is_named(stored):
    (stored / "plans/tiny.json").unlink()
    in_a_line(lambda: load(stored), "plans/tiny.json", "run the sweep again")


def test_what_is_no_sweep(tmp_path):
    in_a_line(lambda: load(tmp_path), "no sweep is", "check the path")
    in_a_line(lambda: load(tmp_path / "none"), "no sweep is")
    in_a_line(lambda: load(tmp_path / "none.parquet"), "none.parquet")
    (tmp_path / "text.parquet").write_text("text")
    in_a_line(lambda: load(tmp_path / "text.parquet"), "text.parquet")


def test_a_sweep_that_is_not_there(stored):
    in_a_line(lambda: load(stored, "deep"), "sweep='deep'", "one of tiny")
    in_a_line(lambda: status(stored, "deep"), "sweep='deep'", "one of tiny")


def test_a_sweep_that_has_just_begun_is_an_empty_table(stored):
    shutil.rmtree(stored / "rows")
    frame = load(stored).collect()
    assert frame.is_empty()
    assert {"key", "depth", "loss"} <= set(frame.columns)


def test_the_note_has_the_design(stored):
    note = json.loads((stored / "plans/tiny.json").read_text())
    assert note["factors"] == ["depth"]
    assert note["design"]["grid"] == {"spec.depth": [1, 2]}


def test_widths_that_are_lists_are_a_factor(tmp_path):
    design = tiny(grid={"spec.width": [[4, 8], [8, 4], 4]}, spec={"depth": 3}, seeds=1)
    run(design, tmp_path, executor=in_process())
    note = json.loads((tmp_path / "plans/tiny.json").read_text())
    assert note["factors"] == ["width", "widths"]
    rows = load(tmp_path).select("width", "widths").collect()
    assert set(rows.iter_rows()) == {(4, None), (None, "4×8"), (None, "8×4")}


def with_code(code, monkeypatch):
    """Workers that have other code."""
    monkeypatch.setattr(work_module, "code_version", lambda: code)
    return in_process()
