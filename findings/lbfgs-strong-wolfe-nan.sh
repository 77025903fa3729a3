#!/bin/sh
# torch.optim.LBFGS with line_search_fn="strong_wolfe" accepts a step to NaN, and reports no failure.
#
# A line search should shorten a step that increases the loss, and the strong Wolfe conditions do not
# hold where the loss is NaN. Still the optimizer ends at NaN for a smooth convex function whose minimum
# (at 1) gradient descent reaches from the same start: the loss is undefined left of 0, a trial step
# leads there, and no comparison with NaN is true, so the search ends and accepts the step.
#
# Version: torch 2.13.0, CPU. The observed output is at the end of this file.
# Needs Python 3.11 or newer and about 1 GB in a temporary folder. Fails if the behaviour changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/env/bin/python" - <<'END' | tee "$folder/seen"
import torch

START = 30.0


def loss_at(z):
    return (z - z.log()).sum()


def minimized(make, steps):
    z = torch.full((3,), START, requires_grad=True)
    optimizer = make([z])

    def closure():
        optimizer.zero_grad()
        loss = loss_at(z)
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return [round(value, 4) for value in z.tolist()]


print("torch", torch.__version__.partition("+")[0])
print("gradient descent ends at", minimized(lambda p: torch.optim.SGD(p, lr=0.5), 200))
wolfe = {"max_iter": 100, "line_search_fn": "strong_wolfe"}
print("L-BFGS with strong_wolfe ends at", minimized(lambda p: torch.optim.LBFGS(p, **wolfe), 1))
END
diff "$folder/seen" - <<'END'
torch 2.13.0
gradient descent ends at [1.0, 1.0, 1.0]
L-BFGS with strong_wolfe ends at [nan, nan, nan]
END
echo "As stated."
