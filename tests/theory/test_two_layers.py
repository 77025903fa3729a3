"""Two layers, one example: the end of the flow, by quadrature of its invariant and by training."""

import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq

import mnemoscope as mn
from mnemoscope.nets.activations import activation_function
from mnemoscope.theory import two_layer_eigenvalue, two_layer_end

SMOOTH = ["sigmoid", "tanh", "softplus", "silu", "gelu", "erf"]


def scalar(activation):
    phi = activation_function(activation)

    def value(b):
        return float(phi(torch.tensor(b, dtype=torch.float64)))

    def slope(b):
        z = torch.tensor(b, dtype=torch.float64, requires_grad=True)
        return float(torch.autograd.grad(phi(z), z)[0])

    return value, slope


@pytest.mark.parametrize("activation", SMOOTH)
def test_equal_units_end_where_the_invariant_says(activation):
    # a^2 / 2 = a0^2 / 2 + the integral of phi/phi', and k a phi(b) = 1: one equation for b.
    k, a0, b0 = 50, 0.001, 0.3
    phi, slope = scalar(activation)

    def a(b):
        return (a0**2 + 2 * quad(lambda s: phi(s) / slope(s), b0, b)[0]) ** 0.5

    b = brentq(lambda b: k * a(b) * phi(b) - 1, b0, 3.0, xtol=1e-13)
    found = two_layer_end(activation, [a0] * k, [b0] * k)
    assert torch.allclose(found.b, torch.full_like(found.b, b), atol=1e-8)
    assert found.eigenvalue == pytest.approx(b * slope(b) / phi(b), abs=1e-8)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "leaky_relu(0.5)"])
def test_piecewise_linear_units_have_eigenvalue_1(activation):
    assert two_layer_eigenvalue(activation, [0.1, 0.3], [0.5, 0.2]) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("activation", [*SMOOTH, "sin"])
def test_each_unit_keeps_its_invariant(activation):
    a0, b0 = torch.tensor([0.1, 0.4, 0.2]), torch.tensor([0.2, 0.1, 0.5])
    end = two_layer_end(activation, a0, b0)
    phi, slope = scalar(activation)
    for i in range(3):
        moved = quad(lambda s: phi(s) / slope(s), float(b0[i]), float(end.b[i]))[0]
        assert float(end.a[i]) ** 2 / 2 - float(a0[i]) ** 2 / 2 == pytest.approx(moved, abs=1e-8)
    assert float(end.a @ activation_function(activation)(end.b)) == pytest.approx(1, abs=1e-9)


def test_the_flow_is_followed_backwards_from_above():
    end = two_layer_end("tanh", [2.0, 2.0], [1.0, 1.0])
    assert float(end.a @ torch.tanh(end.b)) == pytest.approx(1, abs=1e-9)
    assert float(end.a[0]) < 2


def test_gradient_descent_with_small_steps_ends_there():
    d, k = 6, 3
    x = torch.randn(d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x / x.norm()
    a, b = torch.tensor([0.1, 0.3, 0.2]), torch.tensor([0.2, 0.4, -0.1])
    spec = mn.nets.FullyConnected(shape=(d,), width=k, depth=2, activation="tanh", bias=False)
    net = spec.build(seed=0, dtype=torch.float64)
    inner, outer = net.parameters()
    with torch.no_grad():
        inner.copy_(b.double()[:, None] * x)
        outer.copy_(x[:, None] * a.double())
    mn.train(
        net,
        x[None],
        mn.TrainingOptions(
            tol=1e-20, optimizer="gradient_descent", momentum=0, lr=0.02, schedule="constant"
        ),
    )
    measured = float(mn.spectral_radius(net, x[None], tol=1e-12))
    assert measured == pytest.approx(two_layer_eigenvalue("tanh", a, b), abs=2e-3)


@pytest.mark.parametrize(
    ("activation", "a0", "b0", "message"),
    [
        ("tanh", [0.1], [0.1, 0.2], "for every unit"),
        ("tanh", [], [], "for every unit"),
        ("tanh", [float("nan")], [0.1], "for every unit"),
        ("relu", [0.1], [-1.0], "comes to no solution"),
        ("tanhh", [0.1], [0.1], "tanh"),
    ],
)
def test_what_has_no_end_is_refused(activation, a0, b0, message):
    with pytest.raises(mn.MnemoscopeError, match=message):
        two_layer_end(activation, a0, b0)
