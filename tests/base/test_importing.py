"""Importing `package.module:name`, and its one-line errors."""

import sys

import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import import_name, is_name


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a:b", True), ("a.b_1:c.d", True), ("a", False), ("a:", False), (":b", False),
        ("a/b:c", False), ("s3://a", False), ("1a:b", False), ("a:b c", False),
    ],
)  # fmt: skip
def test_what_is_a_name(text, named):
    assert is_name(text) == named


def test_the_current_folder_comes_first_and_leaves_no_trace(tmp_path, monkeypatch):
    (tmp_path / "importing_sample.py").write_text("class A:\n    b = 3\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert import_name("importing_sample:A.b", what="number") == 3
    assert sys.path == before


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise ValueError('no\\nway')", "ValueError: no way"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("this is no Python", "SyntaxError"),
        ("", "AttributeError"),
    ],
)
def test_what_cannot_be_imported_is_refused(source, says, tmp_path, monkeypatch):
    name = f"importing_broken_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MnemoscopeError, match=r"package\.module:thing") as caught:
        import_name(f"{name}:thing", what="thing")
    assert says in str(caught.value)
