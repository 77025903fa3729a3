"""Kills, full disks, signals, races and little memory: nothing is lost and everything goes on."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from attack.count import Count
from attack.forks import Ended, command, start
from attack.material import BRIEF, SMALL, SWEEP, TRAIN
from attack.mutated import judged, tree

EXTRACT = ["extract", "run", "--limit", "6", "--starts", "2"]

LONG = [
    "train",
    "digits",
    "-n",
    "3",
    "--size",
    "4",
    *SMALL,
    "--tol",
    "1e-30",
    "--max-steps",
    "4000",
]

MINE = "mine.txt"
"""A file of the user's that must always stay."""


@dataclass(frozen=True)
class Case:
    """A command that writes.

    Attributes:
        name: What it is called.
        arguments: The command line.
        written: Files that are there in the end.
        checks: Commands that must do after it, to see that what it wrote is whole.
    """

    name: str
    arguments: list[str]
    written: tuple[str, ...]
    checks: tuple[list[str], ...] = ()


CASES = (
    Case(
        "train, new",
        [*TRAIN, "--out", "new"],
        ("new/run.json", "new/network.safetensors"),
        (
            [
                "audit",
                "new/network.safetensors",
                "--data",
                "digits",
                "-n",
                "3",
                "--size",
                "4",
                *BRIEF,
                "--out",
                "check",
                "--force",
            ],
        ),
    ),
    Case(
        "train, over another",
        [*TRAIN, "--seed", "1", "--out", "run", "--force"],
        ("run/network.safetensors",),
        (EXTRACT,),
    ),
    Case(
        "audit, over an audit",
        ["audit", "run", *BRIEF, "--seed", "1"],
        ("run/report.html",),
        (["compare", "run", "other"],),
    ),
    Case(
        "audit of a file, new",
        ["audit", "run/network.safetensors", *BRIEF, "--out", "new"],
        ("new/run.json", "new/report.html", "new/audit/audit.json"),
        (["compare", "new", "other"],),
    ),
    Case("extract, new", [*EXTRACT, "--out", "new"], ("new/run.json", "new/extraction.json")),
    Case(
        "extract, over one",
        [*EXTRACT, "--force", "--out", "extracted", "--data", "digits", "-n", "3", "--size", "4"],
        ("extracted/scores.csv", "extracted/extraction.json"),
    ),
    Case(
        "claims",
        ["claims", "projection", "nonlinear-span", "--quick", "--seeds", "1", "--out", "new"],
        ("new/claims.html", "new/run.json"),
    ),
    Case("report", ["report", "run", "--out", "new/p.html", "--charts", "new/c"], ("new/p.html",)),
    Case("compare", ["compare", "run", "other", "--out", "new/c.html"], ("new/c.html",)),
    Case(
        "sweep run",
        ["sweep", "run", "design.toml", "--in-process", "--out", "new"],
        ("new/plans/tiny.json",),
        (["sweep", "status", "new"], ["sweep", "report", "new"]),
    ),
    Case(
        "sweep report",
        [
            "sweep",
            "report",
            "sweep",
            "--out",
            "new/p.html",
            "--charts",
            "new/c",
            "--table",
            "new/t.parquet",
            "--settings",
            "new/s.csv",
        ],
        ("new/p.html", "new/t.parquet", "new/s.csv"),
    ),
    Case(
        "sweep show",
        ["sweep", "show", "sweep", "{key}", "--out", "new/n.safetensors"],
        ("new/n.safetensors",),
    ),
)


def killing(arguments: list[str], at: int) -> Callable[[], object]:
    """A command that is killed before its `at`-th replacement, or rename."""
    run = command(arguments)

    def work() -> None:
        seen = 0

        def before(real: Callable[..., object]) -> Callable[..., object]:
            def instead(*given: object, **named: object) -> object:
                nonlocal seen
                seen += 1
                if seen == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*given, **named)

            return instead

        for name in ("replace", "rename"):
            setattr(os, name, before(getattr(os, name)))
        _eager()
        run()

    return work


def _eager() -> None:
    """A checkpoint every few milliseconds."""
    from mnemoscope.training import single

    single.CHECKPOINT_SECONDS = 0.02


def _copy(made: Path, folder: Path) -> Path:
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(made, work)
    for place in ("run", "extracted", "sweep"):
        (work / place / MINE).write_text("mine")
    return work


def _resumed(
    case: Case, arguments: list[str], work: Path, folder: Path, count: Count, kind: str, detail: str
) -> None:
    """Runs the command again and checks that all results exist."""
    again = start(command(arguments), work, folder / "logs").wait()
    for fault, reason in judged(again):
        count.fault(kind, fault, f"{detail}, again: {reason}")
    if again.code:
        count.fault(kind, "refused resumptions", f"{detail}: {again.err[-500:]}")
        return
    for name in case.written:
        if not (work / name).exists():
            count.fault(kind, "lost", f"{detail}: {name} is missing")
    for check in case.checks:
        ended = start(command(check), work, folder / "logs").wait()
        if ended.code:
            count.fault(kind, "lost", f"{detail}: {check} exits {ended.code}: {ended.err[-500:]}")
    _check_mine(work, count, kind, detail)
    left = [name for name in tree(work) if "/." in f"/{name}"]
    if left:
        count.fault(kind, "other", f"{detail}: left behind: {left[:5]}")


def _visible(work: Path) -> dict[str, str]:
    return {
        name: content
        for name, content in tree(work).items()
        if "/." not in f"/{name}" and MINE not in name
    }


def _check_mine(work: Path, count: Count, kind: str, detail: str) -> None:
    for place in ("run", "extracted", "sweep"):
        if not (work / place / MINE).exists():
            count.fault(kind, "lost", f"{detail}: {place}/{MINE} is gone")


def _readable(work: Path, folder: Path, count: Count, kind: str, detail: str) -> None:
    """Checks that results exist, old or new, after a kill or a refusal."""
    for check in (["compare", "run", "other"], ["sweep", "status", "sweep"]):
        ended = start(command(check), work, folder / "logs").wait()
        if ended.code:
            count.fault(kind, "lost", f"{detail}: {check} exits {ended.code}: {ended.err[-500:]}")


def kills(made: Path, folder: Path, key: str, count: Count) -> None:
    """Kills every command before each of its replacements, and resumes it."""
    for case in CASES:
        kind = f"kill: {case.name}"
        arguments = [part.replace("{key}", key[:12]) for part in case.arguments]
        for at in range(1, 400):
            work = _copy(made, folder)
            ended = start(killing(arguments, at), work, folder / "logs").wait()
            if ended.code != -signal.SIGKILL:
                if ended.code:
                    count.fault(kind, "other", f"without a kill: {ended.code} {ended.err[-500:]}")
                break
            count.note(kind)
            detail = f"killed before replacement {at}"
            if "over another" not in case.name:
                _readable(work, folder, count, kind, detail)
            # Where nothing but hidden files has changed, one of four is enough.
            if _visible(work) != _visible(made) or at % 4 == 1:
                _resumed(case, arguments, work, folder, count, kind, detail)


def full_disks(made: Path, folder: Path, key: str, count: Count) -> None:
    """Limits the size of files: one line names a file, nothing is lost, and the command resumes."""
    for case in CASES:
        kind = f"disk full: {case.name}"
        arguments = [part.replace("{key}", key[:12]) for part in case.arguments]
        for limit in (0, 10, 300, 1000, 4000, 20_000, 100_000, 300_000):
            work = _copy(made, folder)
            before = tree(work)

            def limited(limit: int = limit, arguments: list[str] = arguments) -> None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
                command(arguments)()

            # What it prints must not be limited: it goes to a pipe.
            ended = _piped(limited, work, folder)
            count.note(kind, ended.code)
            detail = f"no file larger than {limit:,} bytes"
            for fault, reason in judged(ended):
                count.fault(kind, fault, f"{detail}: {reason}")
            if ended.code == 0:
                continue
            # A sweep names the run that could not be stored, and its log. Where polars reports
            # only that a file ends early, the disk is full.
            full = any(reason in ended.err for reason in ("too large", "No space left on device"))
            if ended.code == 2 and ("a file, which" in ended.err or not full):
                count.fault(kind, "other", f"{detail}: no file is named: {ended.err[-500:]}")
            after = tree(work)
            changed = [name for name in before if after.get(name) != before[name]]
            if changed and not case.name.startswith("sweep run"):
                count.fault(kind, "lost", f"{detail}: {changed[:5]}")
            _resumed(case, arguments, work, folder, count, kind, detail)


def _piped(work: Callable[[], object], place: Path, folder: Path) -> Ended:
    """The same as `start(...).wait()`, printing into a pipe."""
    reading, writing = os.pipe()

    def piped() -> None:
        # Python took the files that they were for ones that can be sought in.
        sys.stdout = sys.stderr = os.fdopen(writing, "w", buffering=1)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        work()

    started = start(piped, place, folder / "logs")
    os.close(writing)
    with os.fdopen(reading, errors="replace") as pipe:
        printed = pipe.read()
    ended = started.wait()
    return Ended(ended.code, "", printed, ended.hung, ended.memory)


RACES = (
    (
        "train",
        "train",
        [*TRAIN, "--out", "new"],
        [*TRAIN, "--out", "new"],
        "new/network.safetensors",
    ),
    (
        "train",
        "another train",
        [*TRAIN, "--out", "new"],
        [*TRAIN, "--seed", "1", "--out", "new"],
        "new/network.safetensors",
    ),
    (
        "train over",
        "train over",
        [*TRAIN, "--seed", "1", "--out", "run", "--force"],
        [*TRAIN, "--seed", "2", "--out", "run", "--force"],
        "run/network.safetensors",
    ),
    (
        "audit",
        "audit",
        ["audit", "run", *BRIEF],
        ["audit", "run", *BRIEF, "--seed", "1"],
        "run/report.html",
    ),
    ("audit", "report", ["audit", "run", *BRIEF], ["report", "run"], "run/report.html"),
    (
        "audit of a file",
        "the same",
        ["audit", "w.safetensors", *BRIEF, "--out", "new"],
        ["audit", "run/network.safetensors", *BRIEF, "--out", "new"],
        "new/report.html",
    ),
    (
        "extract",
        "extract",
        [*EXTRACT, "--out", "new"],
        [*EXTRACT, "--out", "new"],
        "new/extraction.json",
    ),
    (
        "report",
        "report",
        ["report", "run", "--charts", "new"],
        ["report", "other", "--charts", "new"],
        "new/spectrum.svg",
    ),
    (
        "compare",
        "compare",
        ["compare", "run", "other", "--out", "new/c.html"],
        ["compare", "other", "run", "--out", "new/c.html"],
        "new/c.html",
    ),
    (
        "sweep run",
        "sweep run",
        ["sweep", "run", "design.toml", "--in-process", "--out", "new"],
        ["sweep", "run", "design.toml", "--in-process", "--out", "new"],
        "new/plans/tiny.json",
    ),
    (
        "train",
        "extract",
        [*TRAIN, "--out", "run", "--force", "--seed", "3"],
        [*EXTRACT, "--out", "new"],
        "run/network.safetensors",
    ),
)


def races(made: Path, folder: Path, key: str, count: Count) -> None:
    """Two commands at once in one folder: each does its work or is refused, and all is whole."""
    draw = random.Random(0)
    for one, other, first, second, written in RACES:
        kind = f"race: {one} and {other}"
        for turn in range(6):
            work = _copy(made, folder)
            begun = [start(command(first), work, folder / "logs", name="one")]
            time.sleep(draw.choice([0, 0, 0.01, 0.1, 0.3]))
            begun.append(start(command(second), work, folder / "logs", name="other"))
            ends = [process.wait() for process in begun]
            for ended in ends:
                count.note(kind, ended.code)
                for fault, reason in judged(ended):
                    count.fault(kind, fault, f"turn {turn}: {reason}")
            if all(ended.code for ended in ends):
                count.fault(kind, "lost", f"turn {turn}: both refused: {ends[0].err}{ends[1].err}")
            if not (work / written).exists():
                count.fault(kind, "lost", f"turn {turn}: no {written}")
            if "--force" not in first:  # Which drops the audit of the network before.
                _readable(work, folder, count, kind, f"turn {turn}")
            _check_mine(work, count, kind, f"turn {turn}")
            left = [name for name in tree(work) if "/." in f"/{name}"]
            if left:
                count.fault(kind, "other", f"turn {turn}: left behind: {left[:5]}")


def signals(made: Path, folder: Path, key: str, count: Count) -> None:
    """Ctrl-C and SIGTERM, once, twice at once, soon after: exit 2 in one line, and it goes on."""
    draw = random.Random(1)
    cases = {
        "train": ([*LONG, "--out", "new"], "new/network.safetensors"),
        "audit": (["audit", "run", "--starts", "3000", "--trials", "5"], "run/report.html"),
        "extract": (
            ["extract", "run", "--starts", "100", "--limit", "4000", "--out", "new"],
            "new/run.json",
        ),
    }
    for name, (arguments, written) in cases.items():
        kind = f"signals: {name}"
        for turn in range(12):
            work = _copy(made, folder)

            def eager(arguments: list[str] = arguments) -> None:
                _eager()
                command(arguments)()

            process = start(eager, work, folder / "logs")
            time.sleep(draw.uniform(0.3, 1.2))
            gap = (None, 0.0, 0.002, 0.05, 0.3)[turn % 5]
            for wait in [0.0] if gap is None else [0.0, gap]:
                time.sleep(wait)
                if os.path.exists(f"/proc/{process.process}/stat"):
                    os.kill(process.process, signal.SIGINT if turn % 3 else signal.SIGTERM)
            ended = process.wait()
            count.note(kind, ended.code)
            detail = f"turn {turn}, gap {gap}"
            for fault, reason in judged(ended):
                count.fault(kind, fault, f"{detail}: {reason}")
            # Before its first step there is nothing to keep.
            begun = name == "train" and "training interrupted" in ended.err
            if ended.code == 2 and begun and not list(work.glob("new/unf*/check*")):
                count.fault(kind, "lost", f"{detail}: no checkpoint is kept: {ended.err}")
            case = Case(name, arguments, (written,))
            _resumed(case, arguments, work, folder, count, kind, detail)


def sweep_workers(made: Path, folder: Path, key: str, count: Count) -> None:
    """A hundred kills of a sweep with worker processes: half of its driver, half of a worker."""
    draw = random.Random(2)
    text = SWEEP.replace("seeds = 2", "seeds = 12\nretries = 200").replace(
        "max_steps = 5", "max_steps = 300"
    )
    kind, done = "sweep with workers", 0
    work = _copy(made, folder)
    (work / "design.toml").write_text(text)
    while done < 100:
        shutil.rmtree(work / "new", ignore_errors=True)
        for _ in range(10):
            process = start(
                command(["sweep", "run", "design.toml", "--workers", "2", "--out", "new"]),
                work,
                folder / "logs",
            )
            time.sleep(draw.uniform(0.2, 4.0))
            children = _children(process.process)
            worker = draw.choice(children) if children and draw.random() < 0.5 else None
            try:
                os.kill(process.process if worker is None else worker, signal.SIGKILL)
            except ProcessLookupError:
                pass
            else:
                done += 1
            if worker is None:
                process.wait()
                count.note(f"{kind}: driver killed")
                continue
            ended = process.wait(120)
            count.note(f"{kind}: worker killed", ended.code)
            for fault, reason in judged(ended):
                count.fault(f"{kind}: worker killed", fault, reason)
            if ended.code:
                count.fault(
                    f"{kind}: worker killed", "lost", f"{ended.code}: {ended.out}{ended.err}"
                )
            # What it has stored makes the next one begin near the end.
            for path in sorted(work.glob("new/rows/*/*.parquet"))[2:]:
                path.unlink()
        case = Case(kind, [], ("new/plans/tiny.json",), (["sweep", "status", "new"],))
        arguments = ["sweep", "run", "design.toml", "--workers", "2", "--out", "new"]
        _resumed(
            case, arguments, work, folder, count, f"{kind}: driver killed", f"after {done} kills"
        )
        rows = len(list(work.glob("new/rows/*/*.parquet")))
        if rows != 24:
            count.fault(f"{kind}: driver killed", "lost", f"{rows} rows of 24")


def _children(process: int) -> list[int]:
    """Lists the worker processes, without Python's resource tracker, which prints tracebacks."""
    found: list[str] = []
    # A pool starts its workers from a thread of its own.
    for task in Path(f"/proc/{process}/task").glob("*"):
        with suppress(OSError):
            found += (task / "children").read_text().split()
    return [int(one) for one in found if not _is_tracker(one)]


def _is_tracker(process: str) -> bool:
    try:
        return "resource_tracker" in Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return True


def little_memory(made: Path, folder: Path, key: str, count: Count) -> None:
    """Interpreters of their own under limits of address space: one line, no traceback."""
    work = _copy(made, folder)
    for limit in (200, 300, 400, 500, 600, 700, 1000, 1300, 1500, 1800, 2500):
        for arguments in (
            ["train", "digits", "-n", "3", "--out", f"m{limit}"],
            ["report", "nowhere"],
        ):
            done = subprocess.run(
                [
                    "sh",
                    "-c",
                    f'ulimit -v {limit * 1024}; exec "$@"',
                    "sh",
                    sys.executable,
                    "-m",
                    "mnemoscope",
                    *arguments,
                ],
                cwd=work,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=300,
            )
            count.note("little memory", done.returncode)
            # Of a library written in C that ends the process itself there is no traceback.
            if "Traceback" in done.stderr:
                count.fault(
                    "little memory", "tracebacks", f"{limit} MB {arguments}: {done.stderr[-500:]}"
                )


def broken_streams(made: Path, folder: Path, key: str, count: Count) -> None:
    """Standard error that cannot be written: the exit status stays."""
    work = _copy(made, folder)
    for stream in ("2>/dev/full", "2>&-", ">/dev/full 2>/dev/full"):
        for arguments, wanted in (
            ("audit nowhere", 2),
            ("train digits -n 0", 2),
            ("report run", None),
        ):
            line = f'"{sys.executable}" -m mnemoscope {arguments} {stream}'
            code = subprocess.run(line, shell=True, cwd=work, timeout=300).returncode
            count.note("broken streams", code)
            if wanted is not None and code != wanted:
                count.fault("broken streams", "other", f"{line}: exit {code}")


PARTS: dict[str, Callable[[Path, Path, str, Count], None]] = {
    "kills": kills,
    "full-disks": full_disks,
    "races": races,
    "signals": signals,
    "sweep-workers": sweep_workers,
    "little-memory": little_memory,
    "broken-streams": broken_streams,
}
"""What is tried besides inputs."""
