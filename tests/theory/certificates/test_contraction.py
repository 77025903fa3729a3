"""The factor over a ball: never exceeded, exact where it can be, and growing with the ball."""

from itertools import pairwise

import pytest
import torch

import mnemoscope as mn
from mnemoscope.theory.certificates.affine_layers import affine_layers
from mnemoscope.theory.certificates.center import fixed_point_near
from mnemoscope.theory.certificates.contraction import contraction, unit_weights
from mnemoscope.theory.certificates.loop import Loop
from mnemoscope.theory.certificates.metric import lyapunov_metric
from mnemoscope.theory.certificates.rounding import proved_norm


def setting(activation, shape=(5,), width=(8, 6, 7), seed=0, **spec):
    net = mn.nets.FullyConnected(
        shape=shape, width=width, depth=len(width) + 1, activation=activation, **spec
    ).build(seed=seed, dtype=torch.float64)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 1.4
    loop = Loop(affine_layers(mn.SelfMap(net)))
    point = loop.point(fixed_point_near(loop, torch.full(shape, 0.3).double()))
    J = loop.jacobian(loop.slopes(point.arguments))
    radius = float(torch.linalg.eigvals(J).abs().max())
    metric = lyapunov_metric(loop, J, radius + 0.4)
    weights = unit_weights(loop, metric, loop.slopes(point.arguments))

    def over(r):
        return contraction(loop, point, metric, weights, r, proved_norm)

    return loop, point, metric, J, over


@pytest.mark.parametrize("radius", [1e-2, 1.0])
@pytest.mark.parametrize("shape", [(5,), (12,)])
@pytest.mark.parametrize(
    "activation", ["leaky_relu", "relu", "tanh", "silu", "selu", "sin", "softplus"]
)
def test_no_pair_of_the_ball_exceeds_the_factor(activation, shape, radius):
    loop, point, metric, _, over = setting(activation, shape)
    bound = over(radius)
    generator = torch.Generator().manual_seed(0)
    center = loop.read(point.state)
    V = torch.randn(2, 30, loop.coordinates, generator=generator).double()
    V = V / V.norm(dim=2, keepdim=True) * radius
    # Half of the pairs are close to each other, where a single Jacobian decides.
    V[1, ::2] = V[0, ::2] * (1 - 1e-4)
    x, y = center + V @ metric.R.T
    gx, gy, hx, hy = (
        torch.stack([map_(v) for v in batch])
        for map_, batch in [(loop.step, x), (loop.step, y), (loop.write, x), (loop.write, y)]
    )
    before = ((x - y) @ metric.S.T).norm(dim=1)
    assert bool((((gx - gy) @ metric.S.T).norm(dim=1) <= bound.factor * before + 1e-12).all())
    states = (x - y) if loop.at_state else (hx - hy)
    assert bool((states.norm(dim=1) <= bound.to_state * before + 1e-12).all())


@pytest.mark.parametrize("activation", ["leaky_relu", "relu"])
def test_where_no_unit_changes_sides_it_is_the_norm_of_the_jacobian(activation):
    loop, point, metric, J, over = setting(activation)
    # The exact radius: the least distance of an argument to its kink, over what moves it.
    T, reach = metric.R, []
    T = loop.first @ T
    for k, (z, slope) in enumerate(zip(point.arguments, loop.slopes(point.arguments), strict=True)):
        reach.append((z.abs() / T.norm(dim=1)).min())
        if k < len(loop.inner):
            T = loop.inner[k].weight @ (slope[:, None] * T)
    exact = float(torch.stack(reach).min())
    inside, outside = over(exact * (1 - 1e-9)), over(exact * (1 + 1e-9))
    norm = float(torch.linalg.matrix_norm(metric.S @ J @ metric.R, 2))
    assert inside.moving == 0
    assert inside.factor == pytest.approx(norm, rel=1e-9)
    assert inside.factor >= norm * (1 - 1e-14)
    assert outside.moving > 0


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu", "gelu"])
def test_it_grows_with_the_ball(activation):
    over = setting(activation)[-1]
    factors = [over(r).factor for r in (0.0, 1e-4, 1e-2, 0.1, 1.0, 1e3)]
    assert all(a <= b * (1 + 1e-9) for a, b in pairwise(factors))


def test_to_first_order_the_factor_grows_with_the_change_of_the_slopes():
    # One unit, f(x) = 2 tanh(x): over a ball the slope is that at its end nearest to 0.
    net = mn.nets.FullyConnected(shape=(1,), width=1, depth=2, activation="tanh", bias=False).build(
        dtype=torch.float64
    )
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), (1.0, 2.0), strict=True):
            parameter.fill_(value)
    loop = Loop(affine_layers(mn.SelfMap(net)))
    point = loop.point(fixed_point_near(loop, torch.tensor([1.5]).double()))
    J = loop.jacobian(loop.slopes(point.arguments))
    metric = lyapunov_metric(loop, J, 0.5)
    weights = unit_weights(loop, metric, loop.slopes(point.arguments))
    x = float(point.state)
    for r in (1e-6, 0.1, 0.5):
        # The matrix S is a number here, and its length 1.
        scaled = r * float(metric.S.abs())
        found = contraction(loop, point, metric, weights, scaled, proved_norm)
        steepest = 2 / torch.cosh(torch.tensor(x - r, dtype=torch.float64)) ** 2
        assert found.factor == pytest.approx(float(steepest), rel=1e-9)
