"""Time and memory of an audit of one example against the size of a state, up to a million entries.

An `AutoencoderKL` of diffusers (4, 8, 8 channels, random weights, halved twice) is audited at one
picture of 3 x s x s, each size in a process of its own under a budget, with few starts. The
output has the seconds of the audit, the peak of the process's memory above its previous use (as
counted by the system), and the mode in which derivatives were computed.

    python benchmarks/model_size.py [BUDGET]
"""

import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

SIDES = (20, 60, 184, 580)
"""Multiples of 4, as a model that halves twice needs them: 3 s^2 is about 1e3, 1e4, 1e5, 1e6."""

BRIEF: dict[str, Any] = {
    "starts": 1,
    "trials": 1,
    "max_steps": 20,
    "max_products": 40,
    "spectrum_size": 1,
}
"""Auditing an untrained model yields no information: the audit only has to run all of its steps."""


def one(side: int, budget: int) -> dict[str, object]:
    """An audit of one example, in this process."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    import mnemoscope as mn

    torch.manual_seed(0)
    blocks = 3
    config: dict[str, Any] = {
        "block_out_channels": (4, 8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * blocks,
        "up_block_types": ("UpDecoderBlock2D",) * blocks,
        "norm_num_groups": 2,
        "sample_size": side,
        "mid_block_add_attention": False,
    }
    model = AutoencoderKL(**config).eval()
    f = mn.SelfMap(
        mn.Wrapped(model, output="sample", scale=(-1, 1)), (3, side, side), budget=budget
    )
    X = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    before = _peak()
    begun = time.perf_counter()
    corruptions = {"gaussian": [0.1], "mask_pixels": [0.25]}
    options = mn.AuditOptions(corruptions=corruptions, start_kinds=["uniform", "pink"])
    audit = mn.audit(f, X, options, **BRIEF)
    return {
        "d": f.size,
        "seconds": time.perf_counter() - begun,
        "mib": (_peak() - before) / 2**20,
        "state_mib": f.size * 4 / 2**20,
        "reverse": f.reversible,
        "evaluate_mib": f.footprint.evaluate / 2**20,
        "norm": audit.summary.contractive_in_norm is not None,
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    if len(sys.argv) > 2:
        print(json.dumps(one(int(sys.argv[1]), int(sys.argv[2]))))
        return
    from mnemoscope.cli.target import byte_count

    budget = byte_count(sys.argv[1] if len(sys.argv) > 1 else "4GiB")
    print(f"One example, budget {budget / 2**30:g} GiB, {os.cpu_count()} cores.\n")
    print("| d | audit, s | peak, MiB | a state, MiB | an evaluation, MiB | derivative |")
    print("|---|---|---|---|---|---|")
    for side in SIDES:
        done = subprocess.run(
            [sys.executable, __file__, str(side), str(budget)],
            check=True,
            capture_output=True,
            text=True,
        )
        row = json.loads(done.stdout.splitlines()[-1])
        mode = "reverse" if row["reverse"] else "forward, no operator norm"
        print(
            f"| {row['d']:,} | {row['seconds']:.3g} | {row['mib']:.0f} | {row['state_mib']:.3g} | "
            f"{row['evaluate_mib']:.3g} | {mode} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
