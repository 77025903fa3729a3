#!/bin/sh
# The first to_empty() of a PyTorch module made on the meta device imports SymPy.
#
# To make a module without drawing weights that are replaced anyway, the documented way is to make it
# on the meta device and to allocate its memory with to_empty(). One would expect an allocation. The
# first call of a process imports torch.fx.experimental.symbolic_shapes and with it SymPy and mpmath,
# which takes about a third as long as torch itself takes to import. Tensors made by torch.empty and
# assigned by load_state_dict(..., assign=True) give the same module without it.
#
# Versions: torch 2.13.0, CPU. The observed output is at the end of this file.
# Needs Python 3.11 or newer and about 1 GB in a temporary folder. Fails if the behaviour changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$folder/make.py" <<'END'
import sys

import torch
from torch import nn


def note(when):
    names = ("torch.fx.experimental.symbolic_shapes", "sympy", "mpmath")
    print(f"{when}:", ", ".join(name for name in names if name in sys.modules) or "none of them")


note("torch is imported")
layer = nn.Linear(3, 2, device="meta")
note("a layer is on the meta device")
if sys.argv[1] == "assign":
    empty = {name: torch.empty(t.shape) for name, t in layer.state_dict().items()}
    layer.load_state_dict(empty, assign=True)
else:
    layer.to_empty(device="cpu")
note(f"it is on the {layer.weight.device} by {sys.argv[1]}")
END
for way in assign to_empty; do "$folder/env/bin/python" "$folder/make.py" "$way"; done | tee "$folder/seen"
diff "$folder/seen" - <<'END'
torch is imported: none of them
a layer is on the meta device: none of them
it is on the cpu by assign: none of them
torch is imported: none of them
a layer is on the meta device: none of them
it is on the cpu by to_empty: torch.fx.experimental.symbolic_shapes, sympy, mpmath
END
echo "As stated."
