"""The infinite-width limit: by hand, by derivatives, and against networks that are wide."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.theory import NTK


def spec(**fields):
    return mn.nets.FullyConnected(
        **{
            "shape": (1, 2, 3),
            "width": 8,
            "depth": 3,
            "activation": "tanh",
            "init": "ntk",
            **fields,
        }
    )


def drawn(n=4, seed=0, shape=(1, 2, 3)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, *shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("activation", ["tanh", "relu", "erf", "sigmoid", "selu", "gelu", "sin"])
@pytest.mark.parametrize("bias", [True, False])
def test_wide_networks_have_nearly_this_kernel(activation, bias):
    width = 2048
    wide = spec(width=width, activation=activation, bias=bias)
    X = drawn(3)
    net = wide.build(seed=0, dtype=torch.float64)
    rows = []
    for x in X:
        outputs = net(x[None]).flatten()
        gradients = torch.autograd.grad(outputs[0], list(net.parameters()))
        rows.append(torch.cat([g.flatten() for g in gradients]))
    J = torch.stack(rows)
    finite = J @ J.T
    # The kernel of a random network of width w is off by about w^(-1/2) of its size.
    scale = float(NTK(wide).kernel(X, X).diagonal().max())
    assert torch.allclose(finite, NTK(wide).kernel(X, X), atol=5 / width**0.5 * scale)


@pytest.mark.parametrize("activation", ["tanh", "relu", "leaky_relu", "selu", "erf", "softplus"])
@pytest.mark.parametrize("bias", [True, False])
def test_examples_are_fixed_points_with_the_radius_of_the_dense_jacobian(activation, bias):
    X = drawn(4)
    ntk = NTK(spec(activation=activation, bias=bias))
    f = ntk.predict(X)
    assert torch.allclose(f(X), X, atol=1e-8)
    J = f.linearize(X).dense()
    dense = torch.linalg.eigvals(J).abs().amax(1)
    assert torch.allclose(ntk.spectral_radius(X), dense, rtol=1e-6)


def test_one_example_by_the_growth_of_its_kernel():
    # n = 1: J = x G / Theta, so rho = half the logarithmic derivative of Theta(r x, r x) in r.
    x = drawn(1)
    for activation in ("tanh", "sigmoid", "relu"):
        ntk = NTK(spec(activation=activation))
        h = 1e-5
        up, down = (float(ntk.kernel((1 + t) * x, (1 + t) * x).log()) for t in (h, -h))
        assert float(ntk.spectral_radius(x)) == pytest.approx((up - down) / (4 * h), abs=1e-6)


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_relu_with_one_example_by_hand(depth):
    # With gain^2 = 2 every layer keeps the variance 2 r^2, r^2 = |x|^2 / d, and E[phi'^2] = 1/2, so
    # Theta = depth (2 r^2 + 1) and rho = 2 r^2 / (2 r^2 + 1); without biases it is 1.
    x = drawn(1)
    squared = float(x.square().mean())
    with_bias = NTK(spec(activation="relu", depth=depth)).spectral_radius(x)
    assert float(with_bias) == pytest.approx(2 * squared / (2 * squared + 1), abs=1e-12)
    without = NTK(spec(activation="relu", depth=depth, bias=False)).spectral_radius(x)
    assert float(without) == pytest.approx(1.0, abs=1e-12)


def test_linear_networks_project_on_the_span():
    X = drawn(3)
    f = NTK(spec(activation="identity", bias=False)).predict(X)
    P = mn.theory.span_projection(X.flatten(1))
    Z = drawn(5, seed=1)
    assert torch.allclose(f(Z).flatten(1), Z.flatten(1) @ P.T, atol=1e-10)


def test_targets_of_ones_own():
    X = drawn(3)
    f = NTK(spec()).predict(X, X.roll(-1, 0))
    assert torch.allclose(f(X), X.roll(-1, 0), atol=1e-8)


@pytest.mark.parametrize(
    "fields",
    [{"init": "default"}, {"output_activation": "tanh"}, {"depth": 1}],
    ids=str,
)
def test_networks_without_this_limit_are_refused(fields):
    for wrong in (spec(**fields), mn.nets.Convolutional(shape=(1, 4, 4), init="ntk")):
        with pytest.raises(mn.MnemoscopeError) as refusal:
            NTK(wrong)
        assert refusal.value.field == "spec"


def test_states_that_do_not_fit_and_duplicates_are_refused():
    ntk = NTK(spec())
    with pytest.raises(mn.MnemoscopeError, match="states of shape"):
        ntk.kernel(torch.zeros(2, 5), drawn())
    X = drawn(1)
    with pytest.raises(mn.MnemoscopeError) as refusal:
        ntk.predict(torch.cat([X, X]))
    assert refusal.value.field == "X"
