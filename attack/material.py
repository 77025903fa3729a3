"""One whole example of everything that the commands read, made once; small, so that all is fast."""

import json
import os
import shutil
from pathlib import Path

SMALL = ["--width", "12", "--depth", "2", "--activation", "sigmoid"]

TRAIN = ["train", "digits", "-n", "3", "--size", "4", *SMALL, "--max-steps", "300"]

BRIEF = [
    "--starts",
    "3",
    "--trials",
    "1",
    "--max-steps",
    "30",
    "--max-products",
    "30",
]

SWEEP = """\
name = "tiny"
seeds = 2
group_size = 1
[data]
source = "digits"
n = 2
size = 4
[spec]
width = 4
[training]
max_steps = 5
[measure]
take = []
[grid]
spec.depth = [1, 2]
"""

FACTORY = """\
import torch
from torch import nn


def plain(width=6):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, width), nn.Tanh(), nn.Linear(width, 16))
"""


def make(folder: Path) -> None:
    """Makes all of it in a folder."""
    import numpy as np
    import torch
    from PIL import Image
    from safetensors.torch import save_file

    import mnemoscope as mn

    os.chdir(folder)
    draw = np.random.default_rng(0)
    X = mn.load_data("digits", n=3, size=4)
    _run([*TRAIN, "--out", "run"])
    _run(["audit", "run", *BRIEF, "--holdout", "digits"])
    shutil.copytree("run", "other")
    _run(["extract", "run", "--starts", "3", "--limit", "20", "--out", "extracted"])
    Path("design.toml").write_text(SWEEP)
    _run(["sweep", "run", "design.toml", "--in-process", "--out", "sweep"])
    _run(["sweep", "report", "sweep", "--table", "rows.parquet", "--out", "sweep.html"])
    np.save("x.npy", X.numpy())
    np.savez("x.npz", X=X.numpy())
    torch.save(X, "x.pt")
    save_file({"X": X}, "x.safetensors")
    np.save("flat.npy", draw.random((3, 16), dtype=np.float32))
    os.mkdir("pictures")
    for i in range(3):
        Image.fromarray(draw.integers(0, 256, (4, 4), dtype=np.uint8)).save(f"pictures/{i}.png")
    spec = json.loads(Path("run/run.json").read_text())["settings"]["spec"]
    Path("spec.json").write_text(json.dumps(spec))
    Path("nets.py").write_text(FACTORY)
    names: dict[str, object] = {}
    exec(FACTORY, names)
    net = names["plain"]()  # type: ignore[operator]
    torch.save(net.state_dict(), "w.pt")
    save_file(net.state_dict(), "w.safetensors")
    batch = torch.export.Dim("n")
    program = torch.export.export(net, (torch.rand(2, 16),), dynamic_shapes=({0: batch},))
    torch.export.save(program, "m.pt2")
    try:
        torch.onnx.export(
            net,
            (torch.rand(2, 16),),
            "m.onnx",
            dynamo=True,
            verbose=False,
            dynamic_shapes=({0: batch},),
            external_data=False,
        )
    except Exception as error:
        print(f"without ONNX: {error}")


def _run(arguments: list[str]) -> None:
    from mnemoscope.cli import main

    try:
        main(arguments)
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"{arguments}: exit {end.code}") from end
