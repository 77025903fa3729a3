"""A sweep whose files are at an `s3://` URL, served by moto."""

import os

import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep import load, run, status
from mnemoscope.sweep.executors import in_process, processes
from mnemoscope.sweep.store import Store
from tests.sweep.designs import diverging, measuring, tiny

s3fs = pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")

PLACE = "s3://bucket/a folder/sweep"

KEYS = {
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    """In the environment, so that a worker has it too."""
    started = moto.ThreadedMotoServer(port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    before = dict(os.environ)
    os.environ.update(KEYS, AWS_ENDPOINT_URL=f"http://{host}:{port}")
    yield
    started.stop()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def bucket(server):
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.mkdir("bucket")
    yield files
    files.invalidate_cache()
    files.rm("bucket", recursive=True)


def test_a_sweep_is_run_read_and_run_again(bucket):
    design = diverging(group_size=1, keep_weights="all")
    first = run(design, PLACE, executor=in_process())
    assert (first.done, first.diverged) == (4, 2)
    frame = load(PLACE).collect()
    assert frame.height == frame["key"].n_unique() == 4
    assert frame.filter(status="diverged").height == 2
    again = run(design, PLACE, executor=in_process())
    assert (again.present, again.done) == (4, 0)
    more = run(diverging(group_size=1, seeds=3), PLACE, executor=in_process())
    assert more.present == 4
    assert load(PLACE).collect().height == 6
    (one,) = status(PLACE)
    assert (one.state, one.done, one.missing) == ("done", 6, 0)
    names = Store(PLACE).names("")
    assert sum(name.startswith("weights/") for name in names) == 2
    assert sum(name.startswith("logs/") for name in names) == 6
    # No temporary objects are left.
    assert not [path for path in bucket.find("bucket") if "/." in path]


def test_another_process_finds_it_and_its_hang_is_reported(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("SWEEP_TEST_FOLDER", str(tmp_path))
    design = measuring("sleepy", seeds=1, timeout=3.0, retries=0)
    with processes(1, design.timeout) as workers:
        assert run(tiny(), PLACE, executor=workers).done == 2
        (failure,) = run(design.model_copy(update={"name": "b"}), PLACE, executor=workers).failures
    assert failure.reason == "it took longer than 3 s, where it was ended"
    assert "sleepy" in Store(PLACE).read(f"logs/{failure.group}.log").decode()
    assert load(PLACE, "tiny").collect().height == 2
    assert [(one.name, one.failed) for one in status(PLACE)] == [("b", 1), ("tiny", 0)]


def test_broken_files_are_named(bucket):
    run(tiny(group_size=1), PLACE, executor=in_process())
    (first, _) = (name for name in Store(PLACE).names("rows"))
    bucket.pipe_file(f"{PLACE}/{first}", b"PAR1")
    for call in (load, status, lambda place: run(tiny(), place, executor=in_process())):
        with pytest.raises(MnemoscopeError, match=f"{first}.*which is broken") as caught:
            call(PLACE)
        assert "\n" not in str(caught.value)


def test_no_sweep_and_no_bucket(bucket):
    for place in (PLACE, "s3://nobucket/sweep"):
        with pytest.raises(MnemoscopeError) as caught:
            load(place)
        assert place in str(caught.value)
        assert "\n" not in str(caught.value)
