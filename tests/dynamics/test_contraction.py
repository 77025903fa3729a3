"""The growth of differences between orbits, against eigenvalues that are known."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.contraction import MEASURED, SETTLING, contraction
from mnemoscope.dynamics.fixed_points import refine
from mnemoscope.maps import BlackBox, SelfMap
from tests.known_maps import DTYPES


def black(f, shape, dtype=torch.float32):
    def evaluate(z):
        with torch.no_grad():
            return f(torch.from_numpy(z)).numpy()

    return SelfMap(BlackBox(evaluate), shape, dtype=dtype)


def diagonal(*values):
    return lambda z: z * torch.tensor(values).to(z)


def turn(radius, angle):
    c, s = radius * torch.cos(torch.tensor(angle)), radius * torch.sin(torch.tensor(angle))
    return lambda z: z @ torch.tensor([[c, s], [-s, c]]).to(z)


CASES = [
    ("two directions", diagonal(0.9, 0.3), 2, 0.9, 1e-3),
    ("a repeller", diagonal(1.5, -0.2), 2, 1.5, 1e-3),
    ("a negative one", diagonal(-0.8, 0.1), 2, 0.8, 1e-3),
    # Of a pair the length would oscillate if the map were not normal; here it does not.
    ("a pair", turn(0.7, 1.0), 2, 0.7, 1e-3),
    # 0.95 and 0.9: after 48 steps (0.9 / 0.95)^48 = 0.07 of the other is left, and its share of
    # the growth over 32 steps is log(1 + 0.07^2) / 32 at most, for amplitudes of like size.
    ("two close ones", diagonal(0.95, 0.9), 2, 0.95, 3e-3),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "f", "d", "rate", "tol"), CASES, ids=[c[0] for c in CASES])
def test_linear_maps(name, f, d, rate, tol, dtype):
    found = contraction(black(f, (d,), dtype), torch.full((2, d), 0.25, dtype=dtype))
    assert torch.allclose(found.rate, torch.tensor(rate, dtype=dtype), rtol=tol)
    assert (found.low <= found.rate).all()
    assert (found.rate <= found.high).all()


def test_a_constant_map_has_no_growth():
    found = contraction(lambda z: 0 * z + 1, torch.zeros(2, 3))
    assert found.low.tolist() == [0, 0]
    assert (found.high < 0.05).all()


@pytest.mark.parametrize(("activation", "tol"), [("sigmoid", 0.01), ("tanh", 0.01)])
def test_it_agrees_with_the_jacobian_of_a_trained_network(activation, tol):
    X = mn.load_data("digits", n=10)
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4, activation=activation)
    net = net.build(seed=0)
    mn.train(net, X)
    values = mn.jacobian_eigenvalues(net, X, 2).values.abs()
    apart = values[:, 1] < 0.95 * values[:, 0]
    assert apart.sum() >= 3
    found = contraction(black(net, (1, 8, 8)), X)
    assert torch.allclose(found.rate[apart], values[apart, 0], rtol=tol)


def test_the_same_seed_gives_the_same_numbers(global_generator_untouched):
    f = black(lambda z: 0.5 * torch.sin(z), (4,))
    first, again = (contraction(f, torch.ones(2, 4), seed=3) for _ in range(2))
    assert torch.equal(first.rate, again.rate)


def test_it_takes_as_many_values_as_it_says():
    count = []
    f = SelfMap(BlackBox(lambda z: (count.append(len(z)), z / 2)[1]), (3,))
    contraction(f, torch.ones(2, 3))  # Checks the map, once.
    count.clear()
    contraction(f, torch.ones(2, 3))
    assert sum(count) == 2 * 8 * (SETTLING + MEASURED) * 2


def test_refinement_without_derivatives_comes_as_near():
    f = lambda z: torch.tanh(2 * z)  # noqa: E731
    start = torch.full((2, 3), 0.9)
    start[1] *= -1
    mine, theirs = refine(black(f, (3,)), start), refine(f, start)
    assert mine.settled.all()
    assert torch.allclose(mine.points, theirs.points, atol=1e-6)
