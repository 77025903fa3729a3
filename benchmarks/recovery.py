"""Recovery of training examples from degraded ones: plain iteration and the inverse problem.

python benchmarks/recovery.py         the study, as a Markdown table
python benchmarks/recovery.py tune    how the parameters of `recover` were chosen

Each network is trained to one loss after another. Its training examples, and as many of the same
source that it was not trained on (the negative control), lose pixels at random: the same share, by
`corrupt`. An estimate has *recovered* its example if it is within `MATCH` of it, or, as a looser
test, within `LOOSE`; both were fixed before anything was measured, and both are over all pixels,
those that were observed too. Parameters were chosen by `tune` on networks with other first weights
and examples than those reported.
"""

import copy
import itertools
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import fitting
import torch
from timing import table
from torch import Tensor, nn

import mnemoscope as mn
from mnemoscope.dynamics.states import rms
from mnemoscope.extraction import RecoveryOptions, recover
from mnemoscope.nets.spec import Spec

LOSSES = (1e-4, 1e-6, 1e-8)

MISSING = (0.25, 0.5, 0.75)
"""Shares of pixels that are lost."""

MATCH = 0.01
"""Root mean square distance: the audit's matching distance."""

LOOSE_DECIBELS = 30

LOOSE = 10 ** (-LOOSE_DECIBELS / 20)
"""The looser test: a peak signal-to-noise ratio of 30 dB for pixels in [0, 1]."""

PLAIN_STEPS = 1000
"""Maximum number of steps of plain iteration; recovery has 300."""


@dataclass(frozen=True)
class Case:
    """A network and what it is trained on.

    Attributes:
        name: Name in the tables.
        source: Source of the data.
        n: Training examples; as many others are held out.
        spec: The network.
        copies: Degraded copies of each example, with different missing pixels.
        settings: Options of `mn.train`, for each loss in turn.
        load: Options of `mn.load_data`.
        tuning_offset: Where in the source the examples for tuning begin, after those reported.
    """

    name: str
    source: str
    n: int
    spec: Spec
    copies: int
    settings: tuple[dict[str, Any], ...]
    load: dict[str, Any] = field(default_factory=dict)
    tuning_offset: int = 200

    def data(self, tuning: bool = False) -> tuple[Tensor, Tensor]:
        """Training examples and held-out ones, taken in turn from the source."""
        offset = self.tuning_offset if tuning else 0
        X = mn.load_data(self.source, n=2 * self.n, offset=offset, **self.load)
        return X[::2], X[1::2]

    def networks(self, X: Tensor, seed: int) -> Iterator[tuple[float, float, nn.Module]]:
        """The loss asked for, the loss reached and the network, one loss after another."""
        net = self.spec.build(seed=seed)
        for loss, settings in zip(LOSSES, self.settings, strict=True):
            fit = fitting.train(net, X, tol=loss, **settings)
            yield loss, fit.loss, copy.deepcopy(net).eval()


U_NET_TRAINING: tuple[dict[str, Any], ...] = (
    {"max_steps": 3000},
    {"optimizer": "lbfgs", "max_steps": 1500},
    {"optimizer": "lbfgs", "max_steps": 1500},
)
"""Adam takes a U-Net to 1e-4 and hardly further."""

CASES = (
    Case(
        "fully connected, 50 photographs",
        "photos",
        50,
        mn.nets.FullyConnected(shape=(1, 16, 16), width=256, depth=8, activation="leaky_relu"),
        2,
        ({},) * 3,
        load={"size": 16, "gray": True},
    ),
    Case(
        "fully connected, 100 digits",
        "digits",
        100,
        mn.nets.FullyConnected(shape=(1, 8, 8), width=256, depth=8, activation="leaky_relu"),
        1,
        ({},) * 3,
        tuning_offset=1000,
    ),
    Case(
        "U-Net, 2 levels, 10 photographs",
        "photos",
        10,
        mn.nets.UNet(shape=(1, 16, 16), channels=16, levels=2, init="kaiming_normal"),
        2,
        U_NET_TRAINING,
        load={"size": 16, "gray": True},
    ),
    Case(
        "U-Net, 4 levels, 2 photographs",
        "photos",
        2,
        mn.nets.UNet(shape=(1, 16, 16), channels=8, levels=4),
        10,
        U_NET_TRAINING,
        load={"size": 16, "gray": True},
    ),
)


def degraded(X: Tensor, share: float, copies: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Originals, what is left of them, and where a pixel was observed."""
    # In a picture that is nowhere 0, the lost pixels are those that become 0.
    seen = mn.data.corrupt(torch.ones_like(X), "mask_pixels", share, seed=seed, trials=copies) > 0
    seen = seen.flatten(0, 1)
    originals = X.repeat(copies, *[1] * (X.ndim - 1))
    return originals, originals * seen, seen


def distances(estimate: Tensor, X: Tensor) -> Tensor:
    """Root mean square distances; infinite where one overflows."""
    return rms(estimate - X).nan_to_num(nan=math.inf)


def methods(net: nn.Module, Y: Tensor, seen: Tensor) -> dict[str, Tensor]:
    """The estimates by each method."""
    return {
        "none": Y,
        "iteration": mn.iterate(net, Y, max_steps=PLAIN_STEPS).end,
        "inverse problem": recover(net, Y).estimate,
        "inverse problem, mask known": recover(net, Y, mask=seen).estimate,
    }


def rate(far: Tensor, within: float) -> str:
    """Count, total and Wilson's interval."""
    count = int((far <= within).sum())
    low, high = mn.wilson(count, len(far))
    return f"{count} of {len(far)} ({float(low):.2f} – {float(high):.2f})"


def decibels(far: Tensor) -> str:
    """The median peak signal-to-noise ratio of pixels in [0, 1]."""
    return f"{-20 * math.log10(float(far.median())):.0f}"


HEADER = [
    "network", "loss", "missing", "method", f"recovered (RMS ≤ {MATCH})", "held out, wrongly",
    f"recovered ({LOOSE_DECIBELS} dB)", "held out, wrongly", "median dB", "held out",
]  # fmt: skip


def rows(case: Case) -> Iterator[list[str]]:
    X, others = case.data()
    for loss, reached, net in case.networks(X, seed=0):
        label = f"{loss:.0e}" if reached <= loss else f"{loss:.0e}, reached {reached:.1e}"
        for share in MISSING:
            training = degraded(X, share, case.copies, seed=0)
            control = degraded(others, share, case.copies, seed=1)
            ours = methods(net, *training[1:])
            theirs = methods(net, *control[1:])
            for method in ours:
                far = distances(ours[method], training[0])
                out = distances(theirs[method], control[0])
                yield [
                    case.name, label, f"{share:.0%}", method, rate(far, MATCH), rate(out, MATCH),
                    rate(far, LOOSE), rate(out, LOOSE), decibels(far), decibels(out),
                ]  # fmt: skip


TUNED_ON = CASES[:2]
"""No U-Nets: with ten photographs in one, seven of these choices recover none."""

GRID: dict[str, tuple[float, ...]] = {
    "rho": (0.03, 0.1, 0.3, 1.0),
    "agreement": (0.01, 0.03),
    "inner": (10, 30),
}
"""The choices of `tune`."""

TUNING_LOSS, TUNING_MISSING = 1e-6, (0.5, 0.75)


def tuned() -> list[list[str]]:
    """Counts the training examples that each choice recovers, from other examples and networks."""
    tasks: dict[str, list[tuple[nn.Module, Tensor, Tensor]]] = {}
    for case in TUNED_ON:
        X, _ = case.data(tuning=True)
        net = next(net for loss, _, net in case.networks(X, seed=1) if loss <= TUNING_LOSS)
        tasks[case.name] = [(net, *degraded(X, share, 1, seed=2)[:2]) for share in TUNING_MISSING]
    found = []
    for values in itertools.product(*GRID.values()):
        options = RecoveryOptions(**dict[str, Any](zip(GRID, values, strict=True)))
        counts = [
            [
                int((distances(recover(net, Y, options=options).estimate, X) <= MATCH).sum())
                for net, X, Y in each
            ]
            for each in tasks.values()
        ]
        cells = [", ".join(map(str, each)) for each in counts]
        found.append([*(f"{v:g}" for v in values), *cells, str(sum(map(sum, counts)))])
    return sorted(found, key=lambda row: -int(row[-1]))


if __name__ == "__main__":
    if sys.argv[1:] == ["tune"]:
        print(table([*GRID, *(case.name for case in TUNED_ON), "all"], tuned()))
    else:
        print(table(HEADER, []), end="")
        for case in CASES:
            for row in rows(case):
                print("| " + " | ".join(row) + " |", flush=True)
