"""Hostile inputs: which file is changed, how, and which command meets it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from attack import hostile
from attack.material import BRIEF, SMALL, SWEEP, TRAIN

BYTES = (hostile.flipped, hostile.early, hostile.cut, hostile.grown, hostile.of_another_kind)

AUDIT = ["audit", "run", *BRIEF]
FAST = ["--max-steps", "5", *SMALL]


@dataclass(frozen=True)
class Target:
    """A file, what is done to it, and the commands that read it."""

    file: str
    mutations: tuple[hostile.Mutation, ...]
    commands: tuple[list[str], ...]
    share: int = 1


def _read(file: str, *more: str) -> list[str]:
    return ["audit", file, *more, *BRIEF, "--force"]


TARGETS = (
    Target(
        "run/run.json",
        (hostile.json_values, hostile.json_other, *BYTES, hostile.not_a_file),
        (
            AUDIT,
            ["report", "run"],
            ["compare", "run", "other"],
            [*TRAIN, "--out", "run"],
            ["extract", "run", "--limit", "6", "--starts", "2"],
            [*TRAIN, "--out", "run", "--force"],
        ),
        4,
    ),
    Target(
        "run/network.safetensors",
        (
            hostile.safetensors_header,
            hostile.safetensors_header,
            *BYTES,
            hostile.tensors,
            hostile.not_a_file,
        ),
        (
            AUDIT,
            _read("run/network.safetensors"),
            ["extract", "run", "--limit", "6", "--starts", "2"],
        ),
        4,
    ),
    Target(
        "run/audit/audit.json",
        (hostile.json_values, hostile.json_values, hostile.json_other, *BYTES, hostile.not_a_file),
        (
            ["report", "run"],
            ["compare", "run", "other", "--out", "c.html"],
            AUDIT,
            ["report", "run/audit"],
            ["report", "run", "--charts", "charts"],
        ),
        5,
    ),
    *(
        Target(
            f"run/audit/{name}.parquet",
            (hostile.tables, *BYTES, hostile.not_a_file),
            (["report", "run"], ["compare", "run", "other"], AUDIT),
        )
        for name in ("examples", "recall", "curves", "spectra", "membership", "plane")
    ),
    Target(
        "run/audit/pictures.safetensors",
        (hostile.safetensors_header, hostile.tensors, *BYTES, hostile.not_a_file),
        (["report", "run"], AUDIT),
        2,
    ),
    Target(
        "extracted/run.json",
        (hostile.json_values, hostile.json_other, hostile.not_a_file),
        (
            ["extract", "run", "--limit", "6", "--starts", "2", "--out", "extracted"],
            ["report", "extracted"],
            _read("extracted"),
        ),
    ),
    Target(
        "spec.json",
        (hostile.json_values, hostile.json_values, hostile.json_other, *BYTES, hostile.not_a_file),
        (["train", "digits", "-n", "3", "--size", "4", "--spec", "spec.json", "--max-steps", "5"],),
        4,
    ),
    Target(
        "design.toml",
        (hostile.toml_values,) * 4 + (*BYTES, hostile.not_a_file),
        (
            ["sweep", "plan", "design.toml", "--pilot", "0"],
            ["sweep", "run", "design.toml", "--in-process", "--out", "new"],
        ),
        9,
    ),
    Target(
        "sweep/plans/tiny.json",
        (hostile.json_values, hostile.json_values, hostile.json_other, *BYTES, hostile.not_a_file),
        (
            ["sweep", "status", "sweep"],
            ["sweep", "report", "sweep"],
            ["sweep", "run", "design.toml", "--in-process", "--out", "sweep"],
        ),
        3,
    ),
    Target(
        "sweep/plans/tiny.parquet",
        (hostile.tables, *BYTES, hostile.not_a_file),
        (
            ["sweep", "status", "sweep"],
            ["sweep", "report", "sweep"],
            ["sweep", "run", "design.toml", "--in-process", "--out", "sweep"],
        ),
        2,
    ),
    Target(
        "sweep/rows/*/*.parquet",
        (hostile.configurations, hostile.tables, *BYTES, hostile.not_a_file),
        (
            ["sweep", "show", "sweep", "{key}", "--out", "n.safetensors"],
            ["sweep", "report", "sweep"],
            ["sweep", "status", "sweep"],
            ["sweep", "run", "design.toml", "--in-process", "--out", "sweep"],
        ),
        3,
    ),
    Target(
        "rows.parquet",
        (hostile.configurations, hostile.tables, hostile.tables, *BYTES, hostile.not_a_file),
        (
            ["sweep", "report", "rows.parquet"],
            ["sweep", "show", "rows.parquet", "{key}"],
            [
                "sweep",
                "report",
                "rows.parquet",
                "--settings",
                "s.csv",
                "--charts",
                "c",
                "--table",
                "t.parquet",
            ],
            ["sweep", "show", "rows.parquet", "{key}", "--out", "n.safetensors"],
        ),
        5,
    ),
    *(
        Target(
            f"x{ending}",
            (*kinds, *BYTES, hostile.not_a_file),
            (
                ["train", f"x{ending}", *FAST],
                ["audit", "run", "--data", f"x{ending}", *BRIEF],
                ["audit", "run", "--holdout", f"x{ending}", *BRIEF],
                ["extract", "run", "--limit", "6", "--starts", "2", "--starts-from", f"x{ending}"],
            ),
            3,
        )
        for ending, kinds in (
            (".npy", (hostile.arrays,) * 3),
            (".npz", (hostile.arrays,) * 2),
            (".pt", (hostile.tensors,) * 4),
            (".safetensors", (hostile.safetensors_header, hostile.tensors)),
        )
    ),
    Target(
        "pictures/1.png",
        (hostile.picture, *BYTES, hostile.not_a_file),
        (
            ["train", "pictures", *FAST],
            ["train", "pictures", "--size", "4", *FAST],
            ["audit", "run", "--holdout", "pictures", *BRIEF],
        ),
        2,
    ),
    *(
        Target(
            f"w{ending}",
            (hostile.tensors, *kinds, *BYTES, hostile.not_a_file),
            (
                [
                    "audit",
                    "nets:plain",
                    "--weights",
                    f"w{ending}",
                    "--data",
                    "flat.npy",
                    *BRIEF,
                    "--force",
                ],
            ),
            3,
        )
        for ending, kinds in ((".pt", ()), (".safetensors", (hostile.safetensors_header,)))
    ),
    Target("m.pt2", (*BYTES, hostile.not_a_file), (_read("m.pt2", "--data", "flat.npy"),), 2),
    Target("m.onnx", (*BYTES, hostile.not_a_file), (_read("m.onnx", "--data", "flat.npy"),), 2),
)

PLACES = (
    ("run/report.html", AUDIT),
    ("run/report.html", ["report", "run"]),
    ("run/audit", AUDIT),
    ("run/audit/examples.parquet", AUDIT),
    ("run/audit/audit.json", AUDIT),
    ("run/audit/pictures.safetensors", AUDIT),
    ("run/network.safetensors", [*TRAIN, "--out", "run", "--force"]),
    ("run/network.safetensors", [*TRAIN, "--seed", "1", "--out", "run", "--force"]),
    (
        "extracted/pictures",
        ["extract", "run", "--limit", "6", "--starts", "2", "--out", "extracted"],
    ),
    (
        "extracted/table.csv",
        ["extract", "run", "--limit", "6", "--starts", "2", "--out", "extracted"],
    ),
    (
        "extracted/sheet.png",
        ["extract", "run", "--limit", "6", "--starts", "2", "--out", "extracted"],
    ),
    ("sweep/rows", ["sweep", "run", "design.toml", "--in-process", "--out", "sweep"]),
    ("sweep/plans", ["sweep", "run", "design.toml", "--in-process", "--out", "sweep"]),
    ("sweep/logs", ["sweep", "run", "design.toml", "--in-process", "--out", "sweep"]),
    ("sweep/plans/tiny.json", ["sweep", "run", "design.toml", "--in-process", "--out", "sweep"]),
    ("sweep.html", ["sweep", "report", "sweep", "--out", "sweep.html", "--charts", "cc"]),
    ("rows.parquet", ["sweep", "report", "sweep", "--out", "new.html", "--table", "rows.parquet"]),
    ("spec.json", ["sweep", "report", "sweep", "--out", "new.html", "--settings", "spec.json"]),
    ("x.npy", ["compare", "run", "other", "--out", "x.npy/c.html"]),
    ("x.npy", ["report", "run", "--charts", "x.npy"]),
    ("x.npy", ["report", "run", "--out", "x.npy"]),
    ("x.npy", ["sweep", "report", "sweep", "--charts", "x.npy"]),
    ("w.safetensors", ["sweep", "show", "sweep", "{key}", "--out", "w.safetensors"]),
)
"""Where a command writes, and the command."""

OPTIONS = {
    "train digits --size 4": (
        "-n",
        "--offset",
        "--size",
        "--width",
        "--depth",
        "--net",
        "--tol",
        "--lr",
        "--seed",
        "--batch-size",
        "--max-steps",
        "--activation",
        "--init",
        "--optimizer",
        "--out",
        "--spec",
        "--device",
        "--schedule",
        "--kernel-size",
        "--channels",
        "--levels",
    ),
    "audit run --max-steps 5": (
        "--starts",
        "--trials",
        "--seed",
        "--max-products",
        "--holdout",
        "--data",
        "--out",
        "--budget",
        "--fail-on",
        "--device",
        "--noise-level",
        "--scale",
        "--output",
        "--adapter",
        "--weights",
        "--factory-args",
        "-n",
        "--size",
    ),
    "extract run --seconds 2": (
        "--starts",
        "--limit",
        "--low",
        "--high",
        "--seed",
        "--shape",
        "--out",
        "--starts-from",
        "--data",
        "--budget",
        "--seconds",
    ),
    "sweep plan design.toml --pilot 0": ("--workers", "--pilot", "--out"),
    "sweep report sweep": ("--out", "--charts", "--format", "--table", "--settings", "--sweep"),
    "sweep show sweep": ("--out",),
    "compare run other": ("--out",),
    "report run": ("--out", "--charts", "--format"),
    "claims projection --quick": ("--seeds", "--seed", "--device"),
    "": ("train", "audit", "report", "compare", "extract", "sweep", "claims"),
}
"""Options that are given hostile words, by the command."""

WORDS = (
    "100000000000000000000",
    "9999999999999",
    "-1",
    "0",
    "1e20",
    "nan",
    "inf",
    "-inf",
    "1e-400",
    "",
    " ",
    "x",
    "x" * 300,
    "x" * 100_000,
    "../../../../x",
    "/dev/full",
    "/dev/zero",
    "/proc/self/mem",
    "a\nb",
    "\u202e",
    "ü",
    "caf\udce9",
    "~",
    "$(touch executed)",
    "%s%n",
    "{}",
    "[" * 5000,
    '{"a": ' * 2000,
    "1,2",
    "-1,1",
    "1,nan",
    "os:system",
    "nets:plain",
    "nets:",
    "hf:x/y",
    "s3://",
    "memory://x",
    "x.npy",
    "run",
    "design.toml",
    "spec.json",
    "-",
    "stored>1e999",
    "auc>x",
    "9" * 6000,
    "0x10",
    "1_0",
    "1.5",
    "True",
    "4GiB",
    "1e30GiB",
    "99999999999,9999999999",
)

NAMES = (
    "caf\udce9",
    "a b",
    "\u202e",
    "é",
    "x" * 250,
    "[x]",
    "-x",
    "%41",
    "a=b",
    "$x",
    "~",
    "x\ny",
    "x.parquet",
    "#",
)
"""Of folders."""


@dataclass(frozen=True)
class Input:
    """A hostile input.

    Attributes:
        kind: What is hostile about it.
        name: Which input of its kind it is.
        prepare: Changes the material in the current folder.
        arguments: The command line; `{key}` is replaced by the key of a run of the sweep.
        folder: The subfolder in which the command is run.
    """

    kind: str
    name: str
    prepare: Callable[[], None]
    arguments: list[str]
    folder: str = "."


def inputs(count: int, seed: int) -> Iterator[Input]:
    """Draws `count` inputs by a seed: seven of ten are files, the rest places, words and names."""
    weights = [target.share for target in TARGETS]
    for number in range(count):
        draw = random.Random(f"{seed} {number}")
        kind = draw.choices(("file", "place", "word", "name"), (70, 8, 17, 5))[0]
        if kind == "file":
            target = draw.choices(TARGETS, weights)[0]
            mutation = draw.choice(target.mutations)
            yield Input(
                f"file: {mutation.__name__.replace('_', ' ')}",
                target.file,
                _changing(target.file, mutation, draw),
                draw.choice(target.commands),
            )
        elif kind == "place":
            file, arguments = draw.choice(PLACES)
            yield Input("place taken", file, _changing(file, _taken, draw), arguments)
        elif kind == "word":
            line = draw.choice(list(OPTIONS))
            option, word = draw.choice(OPTIONS[line]), draw.choice(WORDS)
            more = (
                ["--out", "page.html"] if line == "sweep report sweep" and option != "--out" else []
            )
            yield Input("word", option, _nothing, [*line.split(), option, word, *more])
        else:
            name = draw.choice(NAMES)
            lines = (
                [*TRAIN, "--out", name],
                [*AUDIT, "--out", name],
                ["report", "run", "--charts", name],
                ["extract", "run", "--limit", "6", "--starts", "2", "--out", name],
                ["sweep", "run", "design.toml", "--in-process", "--out", name],
                ["compare", "run", "other", "--out", f"{name}.html"],
            )
            inside = draw.random() < 0.4
            yield Input(
                "name",
                repr(name[:20]),
                _moved(name) if inside else _nothing,
                draw.choice(lines),
                name if inside else ".",
            )


def _nothing() -> None:
    return


def _changing(file: str, mutation: hostile.Mutation, draw: random.Random) -> Callable[[], None]:
    def prepare() -> None:
        paths = sorted(Path().glob(file))
        mutation(paths[0] if paths else Path(file), draw)

    return prepare


def _taken(path: Path, draw: random.Random) -> None:
    """A folder where a file belongs, a file where a folder does, or something that is neither."""
    if draw.random() < 0.5:
        hostile.not_a_file(path, draw)
        return
    was_folder = path.is_dir()
    path.rename(path.with_name(f"{path.name}.moved"))
    if was_folder:
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "mine.txt").write_text("mine")


def _moved(name: str) -> Callable[[], None]:
    """Everything in a folder of that name."""

    def prepare() -> None:
        items = list(Path().iterdir())
        folder = Path(name)
        folder.mkdir()
        for item in items:
            item.rename(folder / item.name)

    return prepare


__all__ = ["SWEEP", "Input", "inputs"]
