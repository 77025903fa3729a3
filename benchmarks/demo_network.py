"""The network of `mnemoscope demo`, trained if it is not there."""

import subprocess
import sys
from pathlib import Path

import mnemoscope as mn

FILE = Path("runs/demo/network.safetensors")


def demo_network() -> mn.nets.Network:
    if not FILE.exists():
        subprocess.run([sys.executable, "-m", "mnemoscope", "demo"], check=True)
    return mn.nets.load(FILE).eval()
