"""An archive in which anything could run code is refused before PyTorch's reader sees it."""

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

import mnemoscope as mn
from mnemoscope.maps.adapters.exported import ARITHMETIC, checked_archive
from tests.maps.adapters.test_adapters import exported


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("plain") / "m.pt2", batch=None)


def changed(source, target, change):
    """The archive with some entries replaced, left out (None) or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        contents = {name.partition("/")[2]: old.read(name) for name in old.namelist()}
        for name, content in change(contents).items():
            if content is not None:
                new.writestr(f"{root}/{name}", content)
    return str(target)


def pickled(path):
    return pickle.dumps(Payload(path), protocol=2)


def saved(path):
    buffer = io.BytesIO()
    torch.save(Payload(path), buffer)
    return buffer.getvalue()


def with_expression(contents, path):
    model = contents["models/model.json"].decode()
    start = model.index('"expr_str": "') + len('"expr_str": "')
    payload = f"open('{path}', 'w') or "
    return {**contents, "models/model.json": (model[:start] + payload + model[start:]).encode()}


CONFIG = "data/weights/model_weights_config.json"
ATTACKS = {
    "an expression": with_expression,
    "sample inputs": lambda c, path: {**c, "data/sample_inputs/model.pt": saved(path)},
    "old weights": lambda c, path: {**c, "data/weights/model.pt": saved(path)},
    "old constants": lambda c, path: {**c, "data/constants/model.pt": saved(path)},
    "an object": lambda c, path: {**c, "data/constants/opaque_obj_0": pickled(path)},
    "a custom object": lambda c, path: {**c, "data/constants/custom_obj_0": pickled(path)},
    "compiled code": lambda c, path: {**c, "data/aotinductor/model/a.so": b"\x7fELF"},
    "a flag": lambda c, path: {
        **c, CONFIG: c[CONFIG].replace(b'"use_pickle": false', b'"use_pickle": true'),
    },
    "another's entry": lambda c, path: {
        **c, CONFIG: c[CONFIG].replace(b'"weight_0"', b'"../constants/opaque_obj_0"'),
    },
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_runs(plain, tmp_path, attack):
    mark = tmp_path / "ran"
    target = changed(plain, tmp_path / "evil.pt2", lambda c: ATTACKS[attack](c, mark))
    with pytest.raises(mn.MnemoscopeError, match=r"could run code|no archive"):
        mn.load_map(target)
    assert not mark.exists()


def test_two_entries_of_one_name(plain, tmp_path):
    target = changed(plain, tmp_path / "two.pt2", lambda c: c)
    with zipfile.ZipFile(target, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(archive.namelist()[0], b"")
    with pytest.raises(mn.MnemoscopeError, match="hide"):
        checked_archive(target)


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"config": 3}', b"[" * 200_000, b"\xff"])
def test_damaged_settings(plain, tmp_path, content):
    target = changed(plain, tmp_path / "bad.pt2", lambda c: {**c, CONFIG: content})
    with pytest.raises(mn.MnemoscopeError):
        checked_archive(target)


def test_what_is_plain_passes_unchanged(plain, tmp_path):
    assert checked_archive(plain).read() == Path(plain).read_bytes()
    assert mn.load_map(changed(plain, tmp_path / "same.pt2", lambda c: c)).shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("Symbol('s77', positive=True, integer=True)", True),
        ("3*Max(1, Symbol('s0', integer=True)) + FloorDiv(Symbol('u1'), 2)", True),
        ("4096", True),
        ("__import__('os')", False),
        ("open('x')", False),
        ("().__class__", False),
        ("Symbol('a b')", False),
        ("Symbol('s0').name", False),
    ],
)
def test_sizes(text, size):
    assert bool(ARITHMETIC.fullmatch(text)) == size
