"""Gauss-Newton compared with Adam: what each costs, and what it leaves stored.

Ten digits, fully connected networks. From the initial weights to a loss of 1e-12 with either, and
Adam to 1e-4, to 1e-8, and to 1e-4 followed by Gauss-Newton (`finish`).

python benchmarks/gauss_newton.py
"""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import fitting
from timing import table
from torch import Tensor

import mnemoscope as mn
from mnemoscope.dynamics.stored import stored_examples
from mnemoscope.training import Fit

EXAMPLES = 10
SIZES = ((128, 4), (256, 8))
ACTIVATIONS = ("leaky_relu", "sigmoid", "tanh")
SEEDS = range(5)

LIMIT = 60.0
"""Seconds that Adam may take to 1e-12."""

PACE = 200
"""Number of steps timed to estimate how many fit into `LIMIT`."""

HEADER = ["network", "training", "final loss", "steps", "of these Gauss-Newton", "s", "stored"]


def adam_within_the_limit(net: mn.nets.Network, X: Tensor) -> Fit:
    """Adam to 1e-12, or as far as it gets in `LIMIT` seconds."""
    pace = fitting.train(net.spec.build(seed=0), X, tol=1e-30, max_steps=PACE)
    return fitting.train(net, X, tol=1e-12, max_steps=round(LIMIT * pace.steps / pace.seconds))


def adam_to(tol: float) -> Callable[[mn.nets.Network, Tensor], Fit]:
    return lambda net, X: fitting.train(net, X, tol=tol)


def gauss_newton(net: mn.nets.Network, X: Tensor) -> Fit:
    return fitting.train(net, X, optimizer="gauss_newton", tol=1e-12, max_steps=300)


def polished(net: mn.nets.Network, X: Tensor) -> Fit:
    return fitting.train(net, X, finish="gauss_newton")


def row(
    spec: mn.nets.FullyConnected,
    way: str,
    train: Callable[[mn.nets.Network, Tensor], Fit],
    seeds: Sequence[int],
    adam_steps: Callable[[Fit, int], int],
) -> dict[str, Any]:
    """Networks of one spec trained in one way.

    Args:
        spec: The networks.
        way: Its name.
        train: Trains one of them.
        seeds: One a network.
        adam_steps: How many of a fit's steps were Adam's; the second is the number of the seed.
    """
    X = mn.load_data("digits", n=EXAMPLES)
    nets = [spec.build(seed=seed) for seed in seeds]
    fits = [train(net, X) for net in nets]
    return {
        "network": f"{spec.activation} {spec.width} × {spec.depth}",
        "training": way,
        "loss": [fit.loss for fit in fits],
        "steps": [fit.steps for fit in fits],
        "gauss_newton_steps": [fit.steps - adam_steps(fit, i) for i, fit in enumerate(fits)],
        "seconds": [fit.seconds for fit in fits],
        "stored": sum(int(stored_examples(mn.SelfMap(net), X).sum()) for net in nets),
        "of": EXAMPLES * len(nets),
    }


def rows() -> list[dict[str, Any]]:
    """A row for each network and way; what differs from seed to seed is a list."""
    found: list[dict[str, Any]] = []
    for activation in ACTIVATIONS:
        for width, depth in SIZES:
            spec = mn.nets.FullyConnected(
                shape=(1, 8, 8), width=width, depth=depth, activation=activation
            )
            found += rows_of(spec)
    return found


def rows_of(spec: mn.nets.FullyConnected) -> list[dict[str, Any]]:
    def every(fit: Fit, _: int) -> int:
        return fit.steps

    def none(fit: Fit, _: int) -> int:
        return 0

    coarse = row(spec, "Adam to 1e-4", adam_to(1e-4), SEEDS, every)
    return [
        row(spec, "Adam to 1e-12", adam_within_the_limit, SEEDS[:1], every),
        row(spec, "Gauss-Newton to 1e-12", gauss_newton, SEEDS, none),
        coarse,
        row(spec, "Adam to 1e-8", adam_to(1e-8), SEEDS, every),
        # Up to 1e-4 it is that very training, step by step.
        row(spec, "Adam to 1e-4, polished", polished, SEEDS, lambda _, i: coarse["steps"][i]),
    ]


def report() -> str:
    """What `rows` found, as a Markdown table."""
    note = (
        f"{EXAMPLES} digits; seeds {SEEDS[0]} to {SEEDS[-1]}, Adam to 1e-12 seed {SEEDS[0]} and at "
        f"most {LIMIT:.0f} s. Medians, in parentheses the least and the most.\n\n"
    )
    cells = [
        [
            one["network"],
            one["training"],
            spread(one["loss"], ".1e"),
            spread(one["steps"], ".0f"),
            spread(one["gauss_newton_steps"], ".0f"),
            spread(one["seconds"], ".2g"),
            f"{one['stored']} of {one['of']}",
        ]
        for one in rows()
    ]
    return note + table(HEADER, cells)


def spread(values: Sequence[float], form: str) -> str:
    """Median, least and most, where they differ."""
    middle, low, high = (f"{f(values):{form}}" for f in (statistics.median, min, max))
    return middle if low == high else f"{middle} ({low} – {high})"


def main() -> None:
    print(report())


if __name__ == "__main__":
    main()
