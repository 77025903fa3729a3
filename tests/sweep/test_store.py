"""Files by name, in a folder or at a URL: complete or absent, with one-line errors."""

import os
import stat

import pytest

from mnemoscope.sweep.store import Store, StoreError


@pytest.fixture(params=["folder", "with space é [1] a=b", "-dash", "memory"])
def store(request, tmp_path, monkeypatch):
    if request.param != "memory":
        monkeypatch.chdir(tmp_path)
        yield Store(request.param)
        return
    fsspec = pytest.importorskip("fsspec")
    name = f"sweep-{os.urandom(4).hex()}"
    yield Store(f"memory://{name}")
    fsspec.filesystem("memory").rm(f"/{name}", recursive=True)


def test_what_is_written_is_read(store):
    store.write("rows/a/b.parquet", b"1")
    store.write("rows/a/b.parquet", b"22")
    store.write("rows/c.parquet", b"3")
    store.write("plans/p.json", b"4")
    assert store.read("rows/a/b.parquet") == b"22"
    assert store.names("rows") == ["rows/a/b.parquet", "rows/c.parquet"]
    assert store.read_all(["rows/c.parquet", "plans/p.json", "plans/none"]) == {
        "rows/c.parquet": b"3",
        "plans/p.json": b"4",
    }


def test_what_is_not_there(store):
    store.write("plans/p.json", b"4")
    assert store.read("rows/none") is None
    assert store.names("rows") == []
    assert store.read_all([]) == {}
    store.remove("rows/none")


def test_what_is_removed_is_gone(store):
    store.write("plans/p.json", b"4")
    store.remove("plans/p.json")
    assert store.read("plans/p.json") is None


def test_nothing_is_made_before_it_is_written(tmp_path):
    store = Store(tmp_path / "new")
    assert store.names("rows") == []
    assert not (tmp_path / "new").exists()


def test_half_a_file_is_no_file(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write("rows/a", b"old")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write("rows/a", b"new")
    assert store.read("rows/a") == b"old"
    assert store.names("rows") == ["rows/a"]


def test_what_is_being_written_is_not_listed(tmp_path):
    store = Store(tmp_path)
    store.write("rows/a", b"1")
    (tmp_path / "rows/.a.tmp").write_bytes(b"2")
    assert store.names("rows") == ["rows/a"]


def test_a_file_has_the_usual_permissions(tmp_path):
    before = os.umask(0o022)
    try:
        Store(tmp_path).write("rows/a", b"1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "rows/a").stat().st_mode) == 0o644


def blocked(tmp_path):
    (tmp_path / "rows").write_text("a file")
    return "rows/a", "rows"


def a_folder(tmp_path):
    (tmp_path / "rows/a").mkdir(parents=True)
    return "rows/a", "rows/a"


@pytest.mark.parametrize("how", [blocked, a_folder])
def test_what_cannot_be_written_is_reported_in_a_line(how, tmp_path):
    name, fragment = how(tmp_path)
    with pytest.raises(StoreError) as caught:
        Store(tmp_path).write(name, b"1")
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_is_reported_in_a_line(tmp_path):
    (tmp_path / "plans/p.json").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"cannot read .*p\.json"):
        Store(tmp_path).read("plans/p.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match=r"Permission denied.*check its permissions"):
        Store(tmp_path).write("rows/a", b"1")
    tmp_path.chmod(0o700)


def test_a_file_system_that_is_not_known():
    pytest.importorskip("fsspec")
    with pytest.raises(StoreError, match=r"nosuch://a.*check the URL"):
        Store("nosuch://a")


def test_what_cannot_be_read_now_is_not_taken_for_missing(monkeypatch):
    pytest.importorskip("fsspec")
    store = Store("memory://forgetful")
    store.write("rows/a", b"1")
    store.write("rows/b", b"2")
    read = store._files.cat_file

    def forbidden(path, **options):
        if path.endswith("/b"):
            raise PermissionError("not now")
        return read(path, **options)

    monkeypatch.setattr(store._files, "cat_file", forbidden)
    assert store.read_all(["rows/a", "rows/none"]) == {"rows/a": b"1"}
    with pytest.raises(StoreError, match=r"forgetful/rows/b \(not now\)"):
        store.read_all(["rows/a", "rows/b"])


def test_an_error_of_a_remote_place_is_reported_in_a_line(monkeypatch):
    pytest.importorskip("fsspec")
    store = Store("memory://sweep")

    def unreachable(*_, **__):
        raise RuntimeError("no\nroute")

    for method in ("pipe_file", "cat_file", "find", "rm_file"):
        monkeypatch.setattr(store._files, method, unreachable)
    for call in (
        lambda: store.write("a", b""),
        lambda: store.read("a"),
        lambda: store.read_all(["a"]),
        lambda: store.names("a"),
        lambda: store.remove("a"),
    ):
        with pytest.raises(StoreError, match=r"memory://sweep/a \(RuntimeError: no\)"):
            call()
