"""Which columns of a table are a state's entries, and tables as people write them."""

import io

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from mnemoscope.data import load_data
from mnemoscope.data.load import read_examples
from mnemoscope.data.reading import Reading


def written(tmp_path, text: str, name: str = "x.csv"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_text_and_labels_are_left_out_and_named(tmp_path, caplog):
    path = written(tmp_path, "id,sepal,petal,species,label\n1,2.5,3,setosa,0\n2,4,5,virginica,1\n")
    found = read_examples(path)
    assert found.X.tolist() == [[2.5, 3], [4, 5]]
    assert found.column == "sepal,petal"
    assert "not id, species, label" in caplog.text
    assert load_data(path, reading=Reading(column="petal,label")).tolist() == [[3, 0], [5, 1]]


def test_a_feature_that_is_called_y_stays(tmp_path):
    path = written(tmp_path, "x,y,z\n1,2,3\n")
    assert load_data(path).tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,4.5\n",
        "a,b\n1,2\n3,4.5\n",
        "a;b\n1;2\n3;4,5\n",
        "1 2\n3 4.5\n",
        "1.0e0 2.0e0\n3.0e0 4.5e0\n",
        "\ufeffa,b\n1,2\n3,4.5\n",
        "a|b\n1|2\n3|4.5\n",
        '"a","b"\r\n"1","2"\r\n"3","4.5"\r\n',
    ],
    ids=["no names", "names", "decimal commas", "blanks", "savetxt", "a mark", "bars", "quotes"],
)
def test_tables_as_people_write_them(text: str, tmp_path):
    assert load_data(written(tmp_path, text)).tolist() == [[1, 2], [3, 4.5]]


def test_a_first_line_of_numbers_is_an_example(tmp_path):
    np.savetxt(tmp_path / "x.csv", np.arange(6.0).reshape(3, 2), delimiter=",")
    assert load_data(tmp_path / "x.csv").tolist() == [[0, 1], [2, 3], [4, 5]]


def test_integers_before_fractions(tmp_path):
    rows = "".join(f"{i},0\n" for i in range(300)) + "0.5,1\n"
    assert load_data(written(tmp_path, "a,b\n" + rows))[-1].tolist() == [0.5, 1]


def test_a_number_that_is_missing(tmp_path, refusal):
    message = refusal(written(tmp_path, "a,b\n1,2\n3,\n"), offset=1)
    assert "without a number in row 1, column b" in message


@pytest.mark.parametrize(
    ("column", "message"),
    [("species", "examples: sepal;"), ("nothing", "examples: sepal;"), ("sepal,no", "'no'")],
)
def test_a_column_that_cannot_be_taken(column: str, message: str, tmp_path, refusal):
    path = written(tmp_path, "sepal,species\n1,a\n2,b\n")
    assert message in refusal(path, reading=Reading(column=column))


def test_a_table_of_text_or_labels(tmp_path, refusal):
    assert "columns of numbers" in refusal(written(tmp_path, "a,b\nx,y\nz,w\n"))
    assert 'column="label"' in refusal(written(tmp_path, "label\n1\n2\n"))
    assert load_data(tmp_path / "x.csv", reading=Reading(column="label")).tolist() == [[1], [2]]


@pytest.mark.parametrize("text", ["a,b\n1,2\n3\n", "a,b\n1,2,3\n", "a,b\n"])
def test_rows_that_are_ragged_or_missing(text: str, tmp_path, refusal):
    refusal(written(tmp_path, text))


def test_a_column_of_lists_holds_states(tmp_path, refusal):
    rows = [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]
    pl.DataFrame({"x": rows, "label": [0, 1]}).write_parquet(tmp_path / "x.parquet")
    found = read_examples(tmp_path / "x.parquet")
    assert found.X.tolist() == rows
    assert found.column == "x"
    pl.DataFrame({"x": [[1.0, 2.0], [3.0]]}).write_parquet(tmp_path / "x.parquet")
    assert "differ in shape" in refusal(tmp_path / "x.parquet")


def _png(level: int, size: int = 3) -> bytes:
    file = io.BytesIO()
    Image.new("L", (size, size), level).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("wrap", [lambda b: b, lambda b: {"bytes": b, "path": None}])
def test_encoded_pictures(wrap, tmp_path, refusal):
    rows = [wrap(_png(51)), wrap(_png(255))]
    pl.DataFrame({"label": [0, 1], "image": rows}).write_parquet(tmp_path / "x.parquet")
    found = read_examples(tmp_path / "x.parquet")
    assert found.X.shape == (2, 1, 3, 3)
    assert found.X[:, 0, 0, 0].tolist() == pytest.approx([0.2, 1])
    assert (found.column, found.scale) == ("image", "divide")
    pl.DataFrame({"image": [wrap(_png(0)), wrap(_png(9, 6))]}).write_parquet(tmp_path / "x.parquet")
    assert "different sizes" in refusal(tmp_path / "x.parquet")
    assert load_data(tmp_path / "x.parquet", size=3).shape == (2, 1, 3, 3)
    pl.DataFrame({"image": [wrap(_png(0)[:40])]}).write_parquet(tmp_path / "x.parquet")
    assert "row 0, which cannot be read as a picture" in refusal(tmp_path / "x.parquet")


def test_a_folder_of_tables_is_one(tmp_path, refusal):
    for part in range(2):
        frame = pl.DataFrame({"a": [float(part), part + 0.5], "b": [0.0, 1.0]})
        frame.write_parquet(tmp_path / f"train-{part}.parquet")
    pl.DataFrame({"a": [9.0], "b": [9.0]}).write_parquet(tmp_path / "test-0.parquet")
    assert load_data(tmp_path)[:, 0].tolist() == [0, 0.5, 1, 1.5]
    assert load_data(tmp_path, n=2, offset=1)[:, 0].tolist() == [0.5, 1]
    assert load_data(tmp_path, n=1, offset=3)[:, 0].tolist() == [1.5]
    assert load_data(tmp_path, reading=Reading(split="test")).tolist() == [[9, 9]]
    assert "4 examples" in refusal(tmp_path, n=5)
    pl.DataFrame({"a": [9.0]}).write_parquet(tmp_path / "train-2.parquet")
    assert "train-2.parquet, whose examples are of shape (1,)" in refusal(tmp_path)


def test_digits_of_a_large_range_that_is_named(tmp_path):
    path = written(tmp_path, "t\n1700000000\n1700000001\n")
    assert torch.equal(load_data(path, scale=(1.7e9, 1.7e9 + 2)), torch.tensor([[0.0], [0.5]]))
