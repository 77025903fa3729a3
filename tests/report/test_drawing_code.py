import pytest

from mnemoscope.report import drawing_code as module
from mnemoscope.report.drawing_code import drawing_code


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and how often the code was made."""
    made = []

    def make(snippet, vl_version):
        made.append(vl_version)
        return f"code of {vl_version}; ∎"

    monkeypatch.setattr(module, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(module.vl_convert, "javascript_bundle", make)
    return tmp_path / "mnemoscope", made


def in_a_new_process():
    drawing_code.cache_clear()
    return drawing_code()


@pytest.fixture(autouse=True)
def forgotten():
    yield
    drawing_code.cache_clear()


def test_it_is_made_once_for_all_processes(cache):
    folder, made = cache
    assert in_a_new_process() == in_a_new_process() == f"code of {module.VEGA_LITE}; ∎"
    assert len(made) == 1
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"code", b"\xff\xfe\n", b"0" * 64 + b"\ncode"])
def test_a_damaged_one_is_made_again(cache, damage):
    folder, made = cache
    code = in_a_new_process()
    (kept,) = folder.iterdir()
    kept.write_bytes(damage)
    assert in_a_new_process() == code
    assert in_a_new_process() == code
    assert len(made) == 2


def test_a_cut_off_one_is_made_again(cache):
    folder, made = cache
    code = in_a_new_process()
    (kept,) = folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert in_a_new_process() == code
    assert len(made) == 2


def test_a_cache_that_cannot_be_written_to_costs_only_time(cache):
    folder, made = cache
    folder.write_text("a file where the folder would be")
    assert in_a_new_process() == in_a_new_process()
    assert len(made) == 2
    assert folder.read_text() == "a file where the folder would be"
