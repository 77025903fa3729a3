"""One network trained to a loss of 1e-8, against a plain loop.

python benchmarks/one_network.py [pairs]
"""

import sys

import fitting
from replicas import LR, TOL, plain_training
from timing import HEADER, PAIRS, Comparison, compare, table

import mnemoscope as mn


def comparisons(pairs: int) -> list[Comparison]:
    X = mn.load_data("digits", n=10)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=256, depth=8)
    return [
        compare(
            "one network, width 256, depth 8, to 1e-8",
            lambda: fitting.train(spec.build(seed=0), X, tol=TOL, lr=LR, schedule="constant"),
            lambda: plain_training(spec.build(seed=0).body, X),
            pairs=pairs,
            reach=1.5,
        )
    ]


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, [c.row() for c in comparisons(pairs)]))
