from itertools import pairwise

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.anderson import DAMPING, Mixing, _weights

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def searches(f, Z, *, tol=1e-6, max_steps=100, reach=10.0):
    mixing = Mixing(f, tol=tol, max_steps=max_steps, tags=1)
    mixing.reach = reach
    mixing.admit(torch.arange(len(Z))[:, None], Z)
    return mixing


def normal(*size, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*size, generator=generator, dtype=torch.float64).to(dtype)


def diagonal(moduli, dtype):
    scale = torch.tensor(moduli, dtype=dtype)
    return mn.SelfMap(lambda z: scale * z, (len(moduli),), dtype=dtype)


def test_what_repels_is_found_as_what_attracts(dtype):
    f = diagonal([3.0, -2.0, 1.5, 0.5, 0.0], dtype)
    ends = searches(f, normal(20, 5, dtype=dtype)).run(0)
    assert ends.converged.all()
    # The slowest direction has |J - 1| = 0.5, so the distance is at most twice the residual.
    assert ends.states.square().mean(1).sqrt().max() <= 2e-6


def test_few_values_do_where_few_eigenvalues_are_not_small(dtype):
    moduli = [1.3, -1.2, 0.9] + [0.0] * 297
    calls = []

    def f(z):
        calls.append(len(z))
        return torch.tensor(moduli, dtype=dtype) * z

    ends = searches(mn.SelfMap(f, (300,), dtype=dtype), normal(10, 300, dtype=dtype)).run(0)
    assert ends.converged.all()
    # Exact arithmetic without damping takes five; iteration never comes there.
    assert len(calls) <= 20


def test_the_weights_solve_the_damped_least_squares_problem():
    residuals, place = normal(4, 6, 9), 2
    weights = _weights(residuals @ residuals.mT, place)
    assert torch.allclose(weights.sum(1), torch.ones(4, dtype=torch.float64))
    others = [j for j in range(6) if j != place]
    for r, a in zip(residuals, weights, strict=True):
        D = (r[others] - r[place]).T
        damping = torch.diag(DAMPING * D.square().sum(0))
        share = torch.linalg.solve(D.T @ D + damping, -D.T @ r[place])
        assert torch.allclose(a[others], share, atol=1e-10)


def test_a_step_is_no_longer_than_the_reach_or_the_residual():
    seen = []

    def f(z):
        seen.append(z.clone())
        return z + 0.1 * torch.cos(3 * z)

    map_ = mn.SelfMap(f, (2,), dtype=torch.float64)
    searches(map_, normal(5, 2), reach=0.05, max_steps=30).run(0)
    steps = [b - a for a, b in pairwise(seen[2:]) if len(a) == len(b)]
    assert len(steps) > 10
    # A residual is at most 0.1.
    assert max(float(s.square().mean(1).sqrt().max()) for s in steps) <= 0.1 + 1e-12


def test_searches_leave_when_they_are_done_and_others_go_on():
    f = diagonal([0.5, 0.5], torch.float64)
    mixing = searches(f, torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, -2.0]], dtype=torch.float64))
    first = mixing.run(2)
    assert first.tags.tolist() == [[0]]
    assert len(mixing) == 2
    mixing.admit(torch.tensor([[7]]), torch.ones(1, 2, dtype=torch.float64))
    rest = mixing.run(0)
    assert sorted(rest.tags[:, 0].tolist()) == [1, 2, 7]
    assert rest.converged.all()
    assert len(mixing) == 0


def test_a_search_that_comes_to_nothing_is_given_up():
    calls = []

    def f(z):
        calls.append(1)
        return z + 1

    ends = searches(mn.SelfMap(f, (3,)), torch.zeros(4, 3), max_steps=12).run(0)
    assert not ends.converged.any()
    # One call is the map's own check; searches are looked after every fourth step.
    assert len(calls) <= 12 + 1 + 4


def test_one_that_is_not_finite_disturbs_no_other():
    f = mn.SelfMap(lambda z: 0.5 * z, (2,))
    Z = torch.tensor([[1.0, 1.0], [torch.nan, 1.0], [torch.inf, 0.0], [3.0, -1.0]])
    ends = searches(f, Z, tol=1e-5).run(0)
    order = ends.tags[:, 0].argsort()
    assert ends.converged[order].tolist() == [True, False, False, True]
