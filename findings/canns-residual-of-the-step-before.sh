#!/bin/sh
# The residual that canns' FixedPointFinder returns with a state is not the residual of that state.
#
# Its result has states `xstar`, their images `F_xstar` and `qstar`, half the squared distance of
# both, by which points of low quality are left out. One would expect qstar to be that of xstar. It
# is computed before the last step of the optimizer, xstar is the state after it: qstar belongs to
# the state that a run with one iteration less returns. Where the number of iterations ends the
# search, the two differ by large factors. So recompute the residual at xstar.
#
# Versions: canns 1.5.0, brainpy 2.8.2, jax 0.10.2, CPU. The observed output is at the end of this
# file. Needs Python 3.11 or newer and about 2 GB in a temporary folder. Fails if the behaviour
# changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  canns==1.5.0 brainpy==2.8.2 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/env/bin/python" - 2> "$folder/errors" <<'END' | tee "$folder/seen"
from importlib.metadata import version

import brainpy as bp
import jax.numpy as jnp
import numpy as np
from canns.analyzer.slow_points import FixedPointFinder


class Map(bp.DynamicalSystem):
    """The map tanh(2 z); its input is not used."""

    def __call__(self, inputs, hidden):
        after = jnp.tanh(2 * hidden)
        return after, after


def residual(z):
    return 0.5 * float(np.sum((np.tanh(2 * z) - z) ** 2))


start = np.array([[[0.5]]], np.float32)
print("canns", version("canns"))
for iterations in (4, 5, 6):
    finder = FixedPointFinder(
        Map(), max_iters=iterations, verbose=False,
        do_compute_jacobians=False, do_decompose_jacobians=False,
    )
    _, found = finder.find_fixed_points(start, np.zeros((1, 1), np.float32), n_inits=1)
    print(f"{iterations} iterations: qstar {float(found.qstar[0]):.4f}, "
          f"of xstar itself {residual(np.asarray(found.xstar[0], np.float64)):.4f}")
END
diff "$folder/seen" - <<'END' || { cat "$folder/errors"; exit 1; }
canns 1.5.0
4 iterations: qstar 0.0346, of xstar itself 0.0000
5 iterations: qstar 0.0000, of xstar itself 0.0306
6 iterations: qstar 0.0306, of xstar itself 0.0330
END
echo "As stated."
