"""All fixed points of three maps, against gradient descent on `|f(z) - z|^2` from the same starts.

python benchmarks/fixed_points.py [pairs]
"""

import sys
from collections.abc import Callable

import torch
from demo_network import demo_network
from timing import HEADER, PAIRS, Comparison, compare, table
from torch import Tensor

import mnemoscope as mn
from mnemoscope.dynamics.fixed_point_search import FixedPoints, find_fixed_points
from mnemoscope.dynamics.states import group_within, nearest

ITERATIONS, STOP = 5000, 1e-12
"""Maximum number of iterations and threshold of `q = |f(z) - z|^2 / 2`: FixedPointFinder's own."""

RATES = (1.0, 0.01)
"""The initial and final learning rate: those that found most points among the ones tried."""

RESOLUTION = 1e-3
"""Fixed points nearer than this (RMS) count as one."""


def rival(f: Callable[[Tensor], Tensor], Z: Tensor) -> Tensor:
    """The fixed points that Adam on `q`, summed over all starts, comes to.

    As Sussillo & Barak (2013) and Golub & Sussillo's FixedPointFinder (2018) do it, but that starts
    which have stopped are left out from then on, and that ends with a small residual are refined.
    """
    z, ends = Z.clone().requires_grad_(), []
    adam = torch.optim.Adam([z], lr=RATES[0])
    for step in range(ITERATIONS):
        q = (f(z) - z).flatten(1).square().sum(1) / 2
        (z.grad,) = torch.autograd.grad(q.sum(), z)
        adam.param_groups[0]["lr"] = RATES[0] * (RATES[1] / RATES[0]) ** (step / ITERATIONS)
        adam.step()
        if step % 50 == 49:
            over = q.detach() < STOP
            ends.append(z.detach()[over])
            stay = z.detach()[~over].requires_grad_()
            memory = {k: v[~over] if v.ndim else v for k, v in adam.state[z].items()}
            if len(stay) == 0:
                break
            adam = torch.optim.Adam([stay])
            adam.state[stay] = memory
            z = stay
    ends.append(z.detach())
    small = torch.cat(ends)
    refined = mn.refine(f, small[mn.SelfMap(f, Z.shape[1:]).residual(small) < 1e-3], max_steps=30)
    points = refined.points[refined.settled]
    return points[group_within(points, RESOLUTION)[1]]


def missed(ours: Tensor, theirs: Tensor) -> int:
    """How many of their fixed points are none of ours."""
    return int((nearest(theirs, ours)[1] > RESOLUTION).sum())


def starts(shape: tuple[int, ...], each: int) -> Tensor:
    """As many starts from each of three distributions, the widest 30 times as wide as the data."""
    blocks = [
        next(mn.Starts(kind, each).blocks(shape, dtype=torch.float32, device=torch.device("cpu")))
        for kind in ("uniform", "gaussian", "wide_gaussian")
    ]
    return torch.cat(blocks)


def tanh(z: Tensor) -> Tensor:
    """27 fixed points in three dimensions; only the 8 corners attract."""
    return torch.tanh(2 * z)


def digits() -> mn.nets.Network:
    """A network that has memorized ten digits."""
    X = mn.load_data("digits", n=10)
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=128, depth=4, activation="sigmoid").build(
        seed=0
    )
    mn.train(net, X, mn.TrainingOptions())
    return net.eval().requires_grad_(False)


def maps() -> list[tuple[str, Callable[[Tensor], Tensor], Tensor]]:
    """The maps: name, function, starts."""
    found: list[tuple[str, Callable[[Tensor], Tensor], Tensor]] = [
        ("tanh 2z in 3 dimensions", tanh, starts((3,), 400)),
        ("ten digits, d = 64", digits(), starts((1, 8, 8), 400)),
    ]
    demo = demo_network().requires_grad_(False)
    found.append(("the demo's network, d = 3072", demo, starts(demo.shape, 33)))
    return found


def comparisons(pairs: int) -> list[Comparison]:
    rows = []
    for name, f, Z in maps():
        ours: list[FixedPoints] = []
        theirs: list[Tensor] = []

        def note(ours: list[FixedPoints] = ours, theirs: list[Tensor] = theirs) -> str:
            return (
                f"found {len(ours[-1].points)}, {int(ours[-1].attracting.sum())} attract; gradient "
                f"descent {len(theirs[-1])}; missed {missed(ours[-1].points, theirs[-1])}"
            )

        rows.append(
            compare(
                f"fixed points of {name} from {len(Z):,} starts",
                lambda f=f, Z=Z, ours=ours: ours.append(find_fixed_points(f, Z)),
                lambda f=f, Z=Z, theirs=theirs: theirs.append(rival(f, Z)),
                pairs=pairs,
                reach=20,
                note=note,
            )
        )
    return rows


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, [c.row() for c in comparisons(pairs)]))
