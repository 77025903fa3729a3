import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import WRITING, remove_left_behind
from mnemoscope.base.publishing import CLAIM, PUBLISHING, claim, finish, publishing
from mnemoscope.base.writers import Writer, this_writer

GONE = Writer(this_writer().place, 2**22 + 5, 1)
"""A process of this machine that has ended."""

ELSEWHERE = Writer("00000000", 1, 1)
"""A process of another machine."""


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write(new, folder, names, text):
    for name in names:
        path = new.folder(folder) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def test_files_of_several_folders_take_their_places_together(tmp_path):
    with publishing() as new:
        write(new, tmp_path / "one", ["a", "below/b"], "new")
        new.file(tmp_path / "two" / "c").write_text("new")
        assert not [name for name in files(tmp_path) if "/." not in f"/{name}"]
    assert files(tmp_path) == {"one/a": "new", "one/below/b": "new", "two/c": "new"}


def test_an_error_changes_nothing_and_leaves_nothing(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyError), publishing() as new:  # noqa: PT012
        write(new, tmp_path, ["a", "b"], "new")
        write(new, tmp_path / "other", ["c"], "new")
        raise KeyError
    assert files(tmp_path) == {"a": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("place", ["a", "z", "below/b"])
def test_every_place_is_checked_before_anything_is_replaced(tmp_path, place):
    names = ["a", "below/b", "z"]
    with publishing() as new:
        write(new, tmp_path, names, "old")
    before = {name: text for name, text in files(tmp_path).items() if name != place}
    (tmp_path / place).unlink()
    (tmp_path / place).mkdir()
    with pytest.raises(MnemoscopeError, match="is a folder"), publishing() as new:
        write(new, tmp_path, names, "new")
    assert files(tmp_path) == before


def test_a_file_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "below").write_text("mine")
    with pytest.raises(MnemoscopeError, match="below, which is a file"), publishing() as new:
        write(new, tmp_path, ["a", "below/b"], "new")
    assert files(tmp_path) == {"below": "mine"}


def test_a_pipe_in_the_place_of_a_file(tmp_path):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(MnemoscopeError, match="is no file"), publishing() as new:
        write(new, tmp_path, ["a"], "new")


def test_what_is_old_is_removed_with_what_is_new_in_place(tmp_path):
    with publishing() as new:
        write(new, tmp_path, ["pictures/1", "pictures/2", "old/x"], "old")
    with publishing() as new:
        write(new, tmp_path, ["pictures/1"], "new")
        new.remove(tmp_path, tmp_path / "pictures", tmp_path / "old" / "x", tmp_path / "not there")
    assert files(tmp_path) == {"pictures/1": "new"}


def killed_before(number, folder):
    """Publishes new files in place of old ones, and dies before a rename."""
    seen = 0

    def instead_of(real):
        def before(*given, **named):
            nonlocal seen
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)

        return before

    for name in ("replace", "rename", "unlink", "rmdir", "mkdir"):
        setattr(os, name, instead_of(getattr(os, name)))
    with claim(folder, "first"), publishing(claimed=True) as new:
        write(new, folder, NEW, "new")
        new.remove(folder, folder / "below")


OLD, NEW = ["a", "below/b", "below/old"], ["a", "below/b", "c.json"]


@pytest.mark.parametrize("number", range(1, 40))
def test_killed_anywhere_all_is_old_or_all_is_new(tmp_path, number):
    with publishing() as new:
        write(new, tmp_path, OLD, "old")
    child = multiprocessing.get_context("fork").Process(
        target=killed_before, args=(number, tmp_path)
    )
    child.start()
    child.join()
    finish(tmp_path)
    found = {name: text for name, text in files(tmp_path).items() if not name.startswith(".")}
    assert found in (dict.fromkeys(OLD, "old"), dict.fromkeys(NEW, "new"))
    if child.exitcode == 0:
        assert found == dict.fromkeys(NEW, "new")
    with claim(tmp_path, "second"):
        assert {path.name for path in tmp_path.iterdir()} <= {"a", "below", "c.json", CLAIM}


def test_a_claim_is_refused_while_its_process_runs(tmp_path):
    code = (
        "import sys, time; from mnemoscope.base.publishing import claim\n"
        "with claim(sys.argv[1], 'mnemoscope train x'):\n"
        "    print('claimed', flush=True)\n"
        "    time.sleep(99)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(MnemoscopeError, match="mnemoscope train x; process"):
            claim(tmp_path, "second").__enter__()
        # Not waited for, so that it is a zombie.
        other.kill()
        while (tmp_path / CLAIM).exists():
            try:
                with claim(tmp_path, "second"):
                    break
            except MnemoscopeError:
                time.sleep(0.01)
    finally:
        other.kill()
        other.communicate()
    assert list(tmp_path.iterdir()) == []


def claimed_by(writer, folder):
    claim = {"writer": str(writer), "host": "elsewhere", "command": "mnemoscope train"}
    (folder / CLAIM).write_text(json.dumps(claim))


def test_a_claim_from_another_machine_holds_while_it_gives_signs_of_life(tmp_path):
    claimed_by(ELSEWHERE, tmp_path)
    with pytest.raises(MnemoscopeError, match="on elsewhere"):
        claim(tmp_path, "second").__enter__()
    os.utime(tmp_path / CLAIM, (time.time() - 1000,) * 2)
    with claim(tmp_path, "second"):
        pass


def test_a_process_with_the_number_of_one_that_is_gone(tmp_path):
    own = this_writer()
    claimed_by(Writer(own.place, own.process, own.started - 1), tmp_path)
    with claim(tmp_path, "second"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"writer": 5}', '{"writer": "x"}'])
def test_a_claim_that_cannot_be_read_holds_nothing(tmp_path, content):
    (tmp_path / CLAIM).write_text(content)
    with claim(tmp_path, "second"):
        pass


def test_who_has_lost_the_claim_publishes_nothing(tmp_path):
    with claim(tmp_path, "first"):
        message = "meanwhile"
        with pytest.raises(MnemoscopeError, match=message), publishing(claimed=True) as new:  # noqa: PT012
            write(new, tmp_path, ["a"], "new")
            claimed_by(ELSEWHERE, tmp_path)
        assert list(tmp_path.iterdir()) == [tmp_path / CLAIM]
    assert (tmp_path / CLAIM).exists()


def test_leftovers_of_processes_that_are_gone_are_removed(tmp_path):
    own = tmp_path / f"{WRITING}-{this_writer()}-aa"
    theirs = tmp_path / f"{WRITING}-{ELSEWHERE}-aa"
    for left in (own, theirs):
        left.mkdir()
    for name in (f"{WRITING}-{GONE}-aa", f".x.html{WRITING}-{GONE}-bb"):
        (tmp_path / name).write_text("")
    (tmp_path / ".mine").write_text("")
    remove_left_behind(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {own.name, theirs.name, ".mine"}


def ready(folder, names):
    path = folder / f"{PUBLISHING}-{GONE}-aa"
    (path / "files").mkdir(parents=True)
    for name in names:
        (path / "files" / name).write_text("new")
    return path


def test_what_somebody_else_made_changes_nothing_outside_of_the_folder(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    (outside / "x").write_text("mine")
    (inside / "link").parent.mkdir()
    (inside / "link").symlink_to(outside)
    left = ready(inside, [])
    (left / "files" / "link").mkdir()
    (left / "files" / "link" / "x").write_text("theirs")
    finish(inside)
    assert files(outside) == {"x": "mine"}
    (left / "files" / "link" / "x").unlink()
    (left / "files" / "link").rmdir()
    (left / "old" / "link").mkdir(parents=True)
    (left / "old" / "link" / "x").touch()
    finish(inside)
    assert files(outside) == {"x": "mine"}


def test_two_that_finish_at_once(tmp_path):
    ready(tmp_path, [f"{i}" for i in range(200)])
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=finish, args=(tmp_path,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    finish(tmp_path)
    assert files(tmp_path) == {f"{i}": "new" for i in range(200)}


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    with pytest.raises(MnemoscopeError, match=r"caf\\xe9, whose name is not UTF-8"):
        claim(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")), "first").__enter__()
    assert not list(tmp_path.iterdir())
