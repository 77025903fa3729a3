"""R networks computed as one, compared with each of them alone."""

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.nets.stack import drawn_parameters, make_stack, network_from
from tests.known_maps import DTYPES

SEEDS = [3, 0, 8]


def fully_connected(**fields):
    return mn.nets.FullyConnected(**{"shape": (1, 2, 3), "width": 7, "depth": 3, **fields})


SPECS = [
    *[fully_connected(activation=name) for name in mn.nets.ACTIVATIONS],
    fully_connected(activation="leaky_relu(0.5)", output_activation="sigmoid"),
    fully_connected(depth=1, activation="tanh"),
    fully_connected(width=(4, 9), bias=False),
    fully_connected(init="ntk"),
    fully_connected(init="ntk", bias=False, activation="selu"),
    mn.nets.Convolutional(shape=(2, 4, 4), channels=3, depth=3),
    mn.nets.Convolutional(shape=(1, 8, 8), channels=2, depth=5, downsample=2, init="ntk"),
    mn.nets.Convolutional(shape=(1, 4, 4), channels=1, depth=2, bias=False, activation="identity"),
    mn.nets.UNet(shape=(2, 8, 8), channels=2, levels=2, activation="silu"),
]


@pytest.fixture(params=SPECS, ids=lambda spec: f"{spec.kind} {spec.activation} {spec.init}")
def spec(request):
    return request.param


def examples(spec, dtype, n=4):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(SEEDS), n, *spec.shape, generator=generator, dtype=dtype)


def stacked(spec, dtype):
    return make_stack(spec, drawn_parameters(spec, SEEDS, scales=[1, 1, 1], dtype=dtype))


def rounding(dtype):
    # Sums of fewer than a hundred terms of order 1, through at most nine layers.
    return 1000 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_outputs_are_those_of_each_network(spec, dtype):
    X, stack = examples(spec, dtype), stacked(spec, dtype)
    images = stack.forward(X)
    for row, seed in enumerate(SEEDS):
        alone = spec.build(seed=seed, dtype=dtype)(X[row]).detach()
        assert torch.allclose(images[row], alone, rtol=rounding(dtype), atol=rounding(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gradients_are_autograds_for_each_network(spec, dtype):
    X, stack = examples(spec, dtype), stacked(spec, dtype)
    Y = X.flip(1)
    # Another number of examples in between, as at the end of a pass over mini-batches.
    stack.pull(X[:, :1], Y[:, :1])
    error = stack.pull(X, Y)
    for row, seed in enumerate(SEEDS):
        net = spec.build(seed=seed, dtype=dtype)
        output = net(X[row])
        nn.functional.mse_loss(output, Y[row]).backward()
        assert torch.allclose(
            error[row], (output - Y[row]).detach(), rtol=rounding(dtype), atol=rounding(dtype)
        )
        for own, parameter in zip(stack.gradients, net.parameters(), strict=True):
            assert parameter.grad is not None
            away = (own[row] - parameter.grad).abs().max()
            # Relative to the largest entry: small ones are differences of large numbers.
            assert away <= rounding(dtype) * parameter.grad.abs().max().clamp_min(1e-3)


def test_the_same_examples_for_all_need_no_copy():
    spec = SPECS[1]
    X, stack = examples(spec, torch.float64)[0], stacked(spec, torch.float64)
    shared = stack.pull(X.expand(3, *X.shape), X.expand(3, *X.shape)).clone()
    gradient = stack.gradient.clone()
    own = stack.pull(X.repeat(3, 1, 1, 1, 1), X.repeat(3, 1, 1, 1, 1))
    # Products with a stride of 0 may take another kernel.
    assert torch.allclose(shared, own, rtol=1e-12, atol=1e-12)
    assert torch.allclose(gradient, stack.gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_parameters_are_drawn_as_each_network_draws_them(spec, dtype):
    parameters = drawn_parameters(spec, SEEDS, scales=[1, 0.5, 2], dtype=dtype)
    for row, (seed, scale) in enumerate(zip(SEEDS, [1, 0.5, 2], strict=True)):
        net = spec.build(seed=seed)
        for values, own in zip(parameters, net.parameters(), strict=True):
            # Times a power of two, which rounds nothing.
            assert torch.equal(values[row], (scale * own.detach()).to(dtype))


def test_a_network_comes_out_as_a_module_of_its_own(spec):
    stack = stacked(spec, torch.float32)
    net = network_from(spec, [values[1] for values in stack.parameters])
    own = spec.build(seed=SEEDS[1]).state_dict()
    assert all(torch.equal(own[name], value) for name, value in net.state_dict().items())
    stack.values.zero_()
    assert all(torch.equal(own[name], value) for name, value in net.state_dict().items())


def test_a_network_from_parameters_has_their_dtype():
    net = network_from(SPECS[0], [p[0] for p in stacked(SPECS[0], torch.float64).parameters])
    assert {p.dtype for p in net.parameters()} == {torch.float64}


def test_what_is_no_spec_is_refused():
    with pytest.raises(mn.MnemoscopeError, match="Linear") as error:
        make_stack(nn.Linear(2, 2), [torch.zeros(1, 2, 2)])  # pyright: ignore[reportArgumentType]
    assert error.value.field == "spec"
