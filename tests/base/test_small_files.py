import json
import os

import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.small_files import check_depth, check_regular, parse_json, read_json, read_text


def test_a_file_is_read(tmp_path):
    (tmp_path / "x.json").write_text('\ufeff{"a": [1, "é"]}', encoding="utf-8")
    assert read_json(tmp_path / "x.json") == {"a": [1, "é"]}


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "pipe"])
def test_what_may_never_end_is_refused_at_once(tmp_path, place):
    path = place
    if place == "pipe":
        path = tmp_path / "pipe"
        os.mkfifo(path)
    for read in (read_text, read_json, check_regular):
        with pytest.raises(MnemoscopeError, match="named pipe"):
            read(path)


def test_links_to_files_are_files(tmp_path):
    (tmp_path / "x").write_text("1")
    (tmp_path / "link").symlink_to("x")
    assert read_json(tmp_path / "link") == 1


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / "x", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(MnemoscopeError, match="more than 16,777,216 bytes"):
        read_text(tmp_path / "x")
    (tmp_path / "y").write_text("12345")
    assert read_text(tmp_path / "y", largest=5) == "12345"
    with pytest.raises(MnemoscopeError, match="more than 4 bytes"):
        read_text(tmp_path / "y", largest=4)


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "x")
    with pytest.raises(IsADirectoryError):
        read_text(tmp_path)
    check_regular(tmp_path / "x")


@pytest.mark.parametrize("levels", [100, 101, 500, 100_000])
@pytest.mark.parametrize("kind", ["[%s]", '{"a":%s}'])
def test_values_nest_at_most_a_hundred_deep(levels, kind):
    begin, end = kind.split("%s")
    text = begin * (levels - 1) + kind % 1 + end * (levels - 1)
    if levels == 100:
        assert json.dumps(parse_json(text), separators=(",", ":")) == text
        return
    with pytest.raises(MnemoscopeError, match="more than 100 deep"):
        parse_json(text)


def test_depth_counts_lists_and_tables():
    check_depth({"a": [1, {"b": 2}]}, 3)
    with pytest.raises(MnemoscopeError, match="more than 2 deep"):
        check_depth({"a": [1, {"b": 2}]}, 2)
